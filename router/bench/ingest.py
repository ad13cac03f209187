"""Ingestion and the store: what runs against what, in which order. Delivery is in `delivery`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from router.bench import balance
from router.bench.child import SERVER_CORE, Child, call
from router.bench.config import write_config
from router.bench.load import Loaded
from router.bench.measure import pairs, peak_mb
from router.bench.plan import Outcome, Plan, in_turn
from router.bench.report import line, measure_of
from router.bench.stores import Stored
from router.bench.subject import daemon, send
from router.bench.workload import Workload

SINGLE_CONNECTIONS, BATCH_CONNECTIONS = 64, 8


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
                for port, pid, kept in in_turn(sides, number):
                    kept.append(send(port, pid, Workload(seed=number), SINGLE_CONNECTIONS, plan.seconds))
        memory = peak_mb(subject.child.pid)
        found = balance.problems(balance.count(runs, *subject.stop()))
    lines = [
        line("ingress", "durable single", runs, bare_runs, "bare aiohttp handler", peak_rss_mb=memory),
        line("ingress", "durable single, beside", runs, null_runs, "same without a store"),
        line("ingress", "no store, beside", null_runs, bare_runs, "bare aiohttp handler"),
        line("ingress", "bare aiohttp handler", bare_runs),
    ]
    table = [measure_of("V6", pairs([r.rate for r in runs], [r.rate for r in bare_runs]), runs, bare_runs)]
    return Outcome(lines, [f"ingress: {problem}" for problem in found], table)


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
    batches = runs["durable batch of 100"]
    table = [measure_of("V7", pairs([r.rate for r in batches], [r.rate for r in raw]), batches, raw)]
    return Outcome(lines, problems, table)


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
