"""V10: ingestion, and a start, over a log that a paused destination keeps long, beside the same with an empty store."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

import msgspec

from router.bench.child import SERVER_CORE, call
from router.bench.config import Receiver
from router.bench.load import Loaded
from router.bench.measure import pairs, peak_mb
from router.bench.path import CONNECTIONS
from router.bench.plan import Outcome, Plan, in_turn
from router.bench.report import Curve, Line, curve, line, measure, measure_of
from router.bench.subject import daemon, send
from router.bench.workload import Workload

KEPT = Receiver("kept")
PORT = 9
"""Of the vendor that nobody reaches: its destination is paused."""
STAGES = (100, 10, 1)
"""The backlog is measured at these fractions of it, too."""


class Run(msgspec.Struct, frozen=True):
    """One start and one load over a log of `before` events."""

    before: int
    start_s: float
    load: Loaded
    peak_mb: float
    problems: list[str]


class Log:
    """A store in a folder, with a destination that is paused and so keeps every event."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events = 0
        self._seed = 0
        with daemon([KEPT], PORT, folder=folder) as subject:
            subject.pause(KEPT.name)
            subject.end()

    def fill(self, events: int) -> None:
        """Append until it has so many, while no daemon runs."""
        if events > self.events:
            n = events - self.events
            self.events += call("fill", SERVER_CORE, int, path=str(self.folder / "router.db"), events=n)

    def run(self, seconds: float) -> Run:
        """Start a daemon on it and load it with batches."""
        before, self._seed = self.events, self._seed + 1
        with daemon([KEPT], PORT, folder=self.folder) as subject:
            workload = Workload("batch", 1_000_000 * self._seed + before)
            load = send(subject.port, subject.child.pid, workload, CONNECTIONS["batch"], seconds)
            self.events += load.answered
            ledger, memory = subject.ledger(), peak_mb(subject.child.pid)
            subject.end()
        counts = {"accepted": ledger["accepted"], "queued": ledger["destinations"][KEPT.name]["queued"]}
        found = [f"{n} {what}, expected {self.events}" for what, n in counts.items() if n != self.events]
        return Run(before, subject.start_s, load, memory, found)


def backlog(plan: Plan) -> Outcome:
    """Fill in stages with a run at each; at the last one a pair a round, the empty side on a fresh store."""
    full: list[Run] = []
    empty: list[Run] = []
    stages: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=plan.folder) as folder:
        log = Log(Path(folder))
        for stage in STAGES:
            plan.progress(f"backlog: filling up to {plan.backlog // stage:,} events")
            log.fill(plan.backlog // stage)
            stages.append(log.run(plan.seconds))
        for number in range(plan.rounds):
            plan.progress(f"backlog {number + 1}/{plan.rounds}: {log.events:,} events, and none")
            for side in in_turn([full, empty], number):
                side.append(log.run(plan.seconds) if side is full else _empty_run(plan))
        size_mb = (Path(folder) / "router.db").stat().st_size / 1e6
    loads, bare = [run.load for run in full], [run.load for run in empty]
    ingest = measure_of("V10a", pairs([load.rate for load in loads], [load.rate for load in bare]), loads, bare)
    ingest.more |= {
        "per CPU": median(pairs([load.rate_per_cpu for load in loads], [load.rate_per_cpu for load in bare])),
        "events": float(full[0].before), "db_mb": size_mb, "peak_rss_mb": max(run.peak_mb for run in full),
    }  # fmt: skip
    starts = [run.start_s for run in full], [run.start_s for run in empty]
    more = {"start s": median(starts[0]), "start empty s": median(starts[1])}
    return Outcome(
        _lines(full, empty),
        [f"backlog, {run.before:,} events: {problem}" for run in [*stages, *full, *empty] for problem in run.problems],
        [ingest, measure("V10b", pairs(*starts), **more)],
        [_curve(stages, full, empty)],
    )


def _empty_run(plan: Plan) -> Run:
    with tempfile.TemporaryDirectory(prefix="bench-", dir=plan.folder) as folder:
        return Log(Path(folder)).run(plan.seconds)


def _lines(full: list[Run], empty: list[Run]) -> list[Line]:
    loads, bare = [run.load for run in full], [run.load for run in empty]
    words = f"batches over {full[0].before:,} events"
    return [line("backlog", words, loads, bare, "empty store"), line("backlog", "batches, empty store", bare)]


def _curve(stages: list[Run], full: list[Run], empty: list[Run]) -> Curve:
    points: dict[float, list[tuple[float, float, float]]] = {}
    for at, runs in [(0, empty), *((run.before, [run]) for run in stages[:-1]), (full[0].before, full)]:
        points[float(at)] = [(run.load.rate, run.load.p50_ms, run.load.p99_ms) for run in runs]
    return curve("backlog", "events in the log", "answer to a batch", points)
