"""Ingestion and the store: what runs against what, in which order. Delivery is in `delivery`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from router.bench import balance
from router.bench.child import SERVER_CORE, Child, call
from router.bench.load import Loaded
from router.bench.measure import peak_mb
from router.bench.references import Stored
from router.bench.report import Line, line
from router.bench.subject import daemon, send, write_config
from router.bench.workload import Workload

SINGLE_CONNECTIONS, BATCH_CONNECTIONS = 64, 8


class Plan(msgspec.Struct, frozen=True):
    """How long and how often. `progress` is told what runs now; `held`: events that `release` lets go."""

    seconds: float
    rounds: int
    folder: Path
    progress: Callable[[str], None]
    held: int = 1_000_000


class Outcome(msgspec.Struct):
    """What a suite found."""

    lines: list[Line]
    problems: list[str]


def ingress(plan: Plan) -> Outcome:
    """Durable single calls, beside a bare handler and beside the same ingestion without a store."""
    bare_runs: list[Loaded] = []
    null_runs: list[Loaded] = []
    runs: list[Loaded] = []
    with tempfile.TemporaryDirectory(dir=plan.folder) as folder, daemon(parent=plan.folder) as subject:
        config = write_config(Path(folder))
        with Child("bare", SERVER_CORE) as bare, Child("null", SERVER_CORE, config=str(config)) as null:
            sides = [
                (bare.says(int), bare.pid, bare_runs),
                (subject.port, subject.child.pid, runs),
                (null.says(int), null.pid, null_runs),
            ]
            for number in range(plan.rounds):
                plan.progress(f"ingress {number + 1}/{plan.rounds}")
                for port, pid, kept in sides:
                    kept.append(send(port, pid, Workload(seed=number), SINGLE_CONNECTIONS, plan.seconds))
        memory = peak_mb(subject.child.pid)
        found = balance.problems(balance.count(runs, *subject.stop()))
    lines = [
        line("ingress", "durable single", runs, bare_runs, "bare aiohttp handler", peak_rss_mb=memory),
        line("ingress", "durable single, beside", runs, null_runs, "same without a store"),
        line("ingress", "no store, beside", null_runs, bare_runs, "bare aiohttp handler"),
        line("ingress", "bare aiohttp handler", bare_runs),
    ]
    return Outcome(lines, [f"ingress: {problem}" for problem in found])


def store(plan: Plan) -> Outcome:
    """Durable batches over HTTP, beside SQLite alone with the same rows, and the store without HTTP."""
    raw: list[Stored] = []
    alone: list[Stored] = []
    kinds = {
        "durable batch of 100": Workload("batch"),
        "durable gzip batch of 100": Workload("gzip"),
        "durable batch, 5 % repeated": Workload("batch", duplicates=True),
    }
    runs: dict[str, list[Loaded]] = {name: [] for name in kinds}
    sizes: dict[str, dict[str, float]] = {}
    problems: list[str] = []
    for number in range(plan.rounds):
        plan.progress(f"store {number + 1}/{plan.rounds}")
        raw.append(_in_folder("raw", plan))
        for name, workload in kinds.items():
            run, sizes[name], found = _batches(plan, msgspec.structs.replace(workload, seed=number))
            runs[name].append(run)
            problems += [f"store, {name}: {problem}" for problem in found]
        alone.append(_in_folder("store", plan))
    lines = [line("store", name, runs[name], raw, "raw executemany", **sizes[name]) for name in kinds]
    lines.append(line("store", "the store without HTTP", alone, raw, "raw executemany"))
    lines.append(line("store", "raw executemany", raw))
    return Outcome(lines, problems)


def _batches(plan: Plan, workload: Workload) -> tuple[Loaded, dict[str, float], Sequence[str]]:
    """One run on a fresh store."""
    with daemon(parent=plan.folder) as subject:
        run = send(subject.port, subject.child.pid, workload, BATCH_CONNECTIONS, plan.seconds)
        memory, (db, wal) = peak_mb(subject.child.pid), subject.store_mb()
        found = balance.problems(balance.count([run], *subject.stop()))
    return run, {"db_mb": db, "wal_mb": wal, "peak_rss_mb": memory}, found


def _in_folder(role: str, plan: Plan) -> Stored:
    with tempfile.TemporaryDirectory(prefix="bench-", dir=plan.folder) as folder:
        return call(role, SERVER_CORE, Stored, folder=folder, seconds=plan.seconds)
