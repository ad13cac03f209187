"""Open pages: what 20 Live ones, and 200 of all kinds, cost the clients that send 1,000 events a second. All sides take turns, each on a
fresh daemon. And how soon a browser shows the first page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import msgspec

from router.bench import balance
from router.bench.child import CLIENT_CORE, Child
from router.bench.config import receivers
from router.bench.load import Load, Loaded
from router.bench.measure import percentile, ratios, spread
from router.bench.paint import chromium, first_paints
from router.bench.path import ARRIVE_S, OPEN_LOOP_CONNECTIONS
from router.bench.plan import Outcome, Plan, in_turn
from router.bench.report import Line
from router.bench.subject import daemon
from router.bench.traffic import Traffic
from router.bench.viewers import Viewed
from router.bench.workload import Workload

RATE, PAGES, TABS, PAINTS = 1_000.0, 20, 200, 5
LIVE = "/events"
KINDS = ("/", LIVE, "/destinations/to-1", "/replays")
SIDES: dict[str, Sequence[str]] = {
    "no page": (),
    f"{PAGES} Live pages": [f"{LIVE}?stream=1"] * PAGES,
    f"{PAGES} Live pages, each with a filter of its own": [f"{LIVE}?since={n + 60}m&stream=1" for n in range(PAGES)],
    f"{TABS} tabs, a quarter of them Live": [f"{path}?stream=1" for path in KINDS] * (TABS // len(KINDS)),
}
"""The pages that are open, by what the side is called."""
ALONE = next(iter(SIDES))


class Course(msgspec.Struct):
    """One run."""

    load: Loaded
    viewed: Viewed | None
    problems: list[str]


def pages(plan: Plan) -> Outcome:
    """The p99 of the answer with the pages and without, pair by pair. Each page must say what it leaves out."""
    runs: dict[str, list[Course]] = {name: [] for name in SIDES}
    for number in range(plan.rounds):
        for name in in_turn(list(SIDES), number):
            runs[name].append(_course(plan, number, SIDES[name]))
        pair = ", ".join(f"{runs[name][-1].load.p99_ms:.2f} ms with {name}" for name in SIDES)
        plan.progress(f"pages {number + 1}/{plan.rounds}: p99 of the answer {pair}")
    problems = [
        f"pages, {name}: {words}" for name, courses in runs.items() for one in courses for words in one.problems
    ]
    return Outcome(
        [*(_line(name, courses, runs[ALONE]) for name, courses in runs.items()), *_first_paint(plan)], problems
    )


def _first_paint(plan: Plan) -> list[Line]:
    """Of the first page, in a browser that was never here; no line where there is none. No events come."""
    if (program := chromium()) is None:
        plan.progress("pages: no Chromium here, so the first paint is not measured")
        return []
    return [_painted(plan, program, name, paths) for name, paths in SIDES.items() if len(paths) in (0, TABS)]


def _painted(plan: Plan, program: str, name: str, paths: Sequence[str]) -> Line:
    with (
        Traffic() as traffic,
        daemon(receivers(1), traffic.port, parent=plan.folder) as subject,
        ExitStack() as stack,
    ):
        if paths:
            viewers = stack.enter_context(Child("viewers", CLIENT_CORE, port=subject.admin_port, paths=list(paths)))
            viewers.says(bool)
        took = sorted(first_paints(program, f"http://127.0.0.1:{subject.admin_port}/", PAINTS * plan.rounds))
    words = f"first paint of the first page, nothing in a cache, {name}"
    return Line("pages", words, 0.0, 0.0, p50_ms=percentile(took, 0.5), p99_ms=percentile(took, 0.99), runs=len(took))


def _line(name: str, courses: list[Course], alone: list[Course]) -> Line:
    loads = [one.load for one in courses]
    line = Line(
        "pages", f"1,000 single calls a second, {name}", spread([load.rate for load in loads]).median,
        spread([load.rate_per_cpu for load in loads]).median, p50_ms=spread([load.p50_ms for load in loads]).median,
        p99_ms=spread([load.p99_ms for load in loads]).median, p999_ms=spread([load.p999_ms for load in loads]).median,
        foreign=spread([load.foreign for load in loads]).median, runs=len(courses),
    )  # fmt: skip
    if name != ALONE:
        line.against = f"p99 with {ALONE}"
        line.ratio = ratios([load.p99_ms for load in loads], [one.load.p99_ms for one in alone])
        line.cpu_ratio = ratios([load.rate_per_cpu for load in loads], [one.load.rate_per_cpu for one in alone])
        seen = [one.viewed for one in courses if one.viewed is not None]
        line.more = {"refreshes": sum(one.refreshes for one in seen), "MB": sum(one.megabytes for one in seen)}
    return line


def _course(plan: Plan, seed: int, paths: Sequence[str]) -> Course:
    to = receivers(1)
    with Traffic() as traffic, daemon(to, traffic.port, parent=plan.folder) as subject:
        pid = subject.child.pid
        load = Load(
            subject.port, Workload(seed=seed), OPEN_LOOP_CONNECTIONS, plan.seconds, min(3.0, plan.seconds / 4), pid, (pid,), RATE
        )  # fmt: skip
        if not paths:
            loaded, viewed, found = traffic.send(load), None, []
        else:
            with Child("viewers", CLIENT_CORE, port=subject.admin_port, paths=list(paths)) as viewers:
                viewers.says(bool)
                loaded = traffic.send(load)
                viewers.tell(True)
                viewed = viewers.says(Viewed)
            silent = sum(path.startswith(LIVE) for path in paths) - viewed.say_left_out
            found = [f"{silent} pages do not say what they leave out"] if silent else []
        [place] = to
        traffic.wait(loaded.answered, 1, ARRIVE_S)
        subject.wait_until_done([place.name], ARRIVE_S)
        ledger, stored = subject.stop()
        came = {name: one.accepted for name, one in traffic.arrived().items()}
        counted = balance.count([loaded], ledger, stored, came, [place.name])
    return Course(loaded, viewed, [*found, *balance.problems(counted)])
