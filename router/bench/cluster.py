"""C1 to C7: several nodes on one PostgreSQL, beside one node, and beside one on SQLite.

A machine of few cores cannot show two nodes beside each other. So each node has a limit of processor time, by cgroups; the database, the load
generator and the sink have none. Where no such limit can be set, there are details, and no figures of C1, C2 and C7.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from router.bench.cluster_runs import Ran, Runs
from router.bench.measure import pairs
from router.bench.plan import Outcome, Plan
from router.bench.report import Line, Measure, measure
from router.extras import pip_install

COMPARED = {
    "drain, 2": "drain, 1",
    "ingest, 2": "ingest, 1",
    "path, PostgreSQL": "path, SQLite",
    "append, 4": "append, 1",
}
"""What stands next to what."""
WHOLE = {"C1": "drain, 2", "C2": "ingest, 2", "C3": "path, PostgreSQL", "C6": "append, 4"}
"""The rows that are a ratio of rates."""
LIMITED = ("C1", "C2", "C7a", "C7b")
"""The rows that say nothing where several nodes have not a limit each."""


def cluster(plan: Plan) -> Outcome:
    """Several nodes on one PostgreSQL, which is made for it, beside one node and beside SQLite."""
    try:
        from router.bench.own_server import OwnServer, is_installed
    except ImportError as error:
        return Outcome(problems=[f"cluster: not measured: {error}; {pip_install('postgres')}"])
    if not is_installed():
        return Outcome(problems=["cluster: not measured: PostgreSQL's initdb is not on this machine"])
    with tempfile.TemporaryDirectory(prefix="bench-postgres-", dir=plan.folder.parent) as folder:
        server = OwnServer(Path(folder))
        try:
            server.make()
            server.start()
            runs = Runs(plan, server)
            for number in range(plan.rounds):
                runs.round(number)
        finally:
            server.close()
    found = outcome(runs.found)
    if not {*LIMITED} <= {one.id for one in found.measures}:
        plan.progress("cluster: two nodes beside one are not in the table, since this user can set no limit by cgroups")
    return found


def outcome(runs: Mapping[str, Sequence[Ran]]) -> Outcome:
    """What the runs came to. Pure."""
    problems = [f"cluster, {name}: {problem}" for name, all in runs.items() for one in all for problem in one.problems]
    is_limited = all(one.is_limited for all in runs.values() for one in all)
    table = [one for one in _table(runs) if is_limited or one.id not in LIMITED]
    return Outcome([_line(name, all) for name, all in runs.items()], problems, table)


def _table(runs: Mapping[str, Sequence[Ran]]) -> list[Measure]:
    shared, alone, late = runs["path, PostgreSQL"], runs["path, SQLite"], runs["latency"]
    return [
        *(_ratio(id, runs[name], runs[COMPARED[name]]) for id, name in WHOLE.items()),
        measure("C4", pairs([_node_us(one) for one in shared], [_node_us(one) for one in alone])),
        measure("C5", [1e6 * one.database_s / one.events for one in shared]),
        measure("C7a", [one.age_ms[0] for one in late], **{"ev/s": median([one.rate for one in late])}),
        measure("C7b", [one.age_ms[1] for one in late]),
    ]


def _ratio(id: str, runs: Sequence[Ran], against: Sequence[Ran]) -> Measure:
    rates, reference = [one.rate for one in runs], [one.rate for one in against]
    return measure(id, pairs(rates, reference), **{"ev/s": median(rates), "reference ev/s": median(reference)})


def _node_us(one: Ran) -> float:
    return 1e6 * one.cpu_s / one.events


def _line(name: str, all: Sequence[Ran]) -> Line:
    return Line(
        "cluster",
        name,
        median([one.rate for one in all]),
        median([one.events / one.cpu_s for one in all]),
        p50_ms=median([one.age_ms[0] for one in all]),
        p99_ms=median([one.age_ms[1] for one in all]),
        runs=len(all),
        more={
            "node us": median([_node_us(one) for one in all]),
            "database us": median([1e6 * one.database_s / one.events for one in all]),
            "cores of nodes": median([one.cpu_s / one.seconds for one in all]),
            "cores of database": median([one.database_s / one.seconds for one in all]),
        },
    )
