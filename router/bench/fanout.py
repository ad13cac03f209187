"""V8: how long it takes until a burst of events has come to one destination, and to twenty."""

from __future__ import annotations

from statistics import median

import msgspec

from router.bench import balance
from router.bench.config import receivers
from router.bench.load import Load
from router.bench.measure import cpu_s, peak_mb
from router.bench.path import CONNECTIONS
from router.bench.plan import Outcome, Plan, in_turn
from router.bench.report import Line, curve, measure
from router.bench.subject import daemon
from router.bench.traffic import Traffic
from router.bench.workload import BATCH, Workload

DESTINATIONS = (1, 5, 20)
PATIENCE_S = 300.0


class Burst(msgspec.Struct, frozen=True):
    """One run. `took_s`: from the first request until the last event had come to every destination."""

    took_s: float
    cpu_s: float
    peak_mb: float
    age_ms: tuple[float, float]  #: p50 and p99 at the slowest destination
    problems: list[str]


def fanout(plan: Plan) -> Outcome:
    """The burst to each number of destinations, once a round."""
    runs: dict[int, list[Burst]] = {n: [] for n in DESTINATIONS}
    for number in range(plan.rounds):
        for n in in_turn(DESTINATIONS, number):
            plan.progress(f"fanout {number + 1}/{plan.rounds}: {n} destinations")
            runs[n].append(_burst(plan, n, number))
    first, last = runs[DESTINATIONS[0]], runs[DESTINATIONS[-1]]
    most = DESTINATIONS[-1]
    samples = [many.took_s / (most * one.took_s) for many, one in zip(last, first, strict=True)]
    more = {
        "events": float(plan.burst),
        "s to 1": median([one.took_s for one in first]),
        f"s to {most}": median([one.took_s for one in last]),
        "CPU ratio": median([many.cpu_s / (most * one.cpu_s) for many, one in zip(last, first, strict=True)]),
        "peak_rss_mb": max(one.peak_mb for one in last),
    }
    points = {float(n): [(plan.burst / one.took_s, *one.age_ms) for one in bursts] for n, bursts in runs.items()}
    return Outcome(
        [_line(plan, n, bursts) for n, bursts in runs.items()],
        [f"fanout, {n}: {problem}" for n, bursts in runs.items() for one in bursts for problem in one.problems],
        [measure("V8", samples, **more)],
        [curve("destinations", "destinations", "event at the sink", points)],
    )


def _line(plan: Plan, n: int, bursts: list[Burst]) -> Line:
    return Line(
        "fanout", f"{plan.burst:,} events to {n} destinations", median([plan.burst / one.took_s for one in bursts]),
        median([plan.burst / one.cpu_s for one in bursts]), p50_ms=median([one.age_ms[0] for one in bursts]),
        p99_ms=median([one.age_ms[1] for one in bursts]), runs=len(bursts),
        more={"took s": median([one.took_s for one in bursts]), "peak_rss_mb": max(one.peak_mb for one in bursts)},
    )  # fmt: skip


def _burst(plan: Plan, n: int, seed: int) -> Burst:
    to = receivers(n)
    workload = Workload("batch", seed, most=plan.burst // BATCH)
    with Traffic() as traffic, daemon(to, traffic.port, parent=plan.folder) as subject:
        pid = subject.child.pid
        before = cpu_s(pid)
        load = traffic.send(Load(subject.port, workload, CONNECTIONS["batch"], 0.0, 0.0, pid, (pid,)))
        arrival = traffic.wait(load.answered, n, PATIENCE_S)
        used, memory = cpu_s(pid) - before, peak_mb(pid)
        ledger, stored = subject.stop()
        arrived = traffic.arrived()
    counts = {name: one.accepted for name, one in arrived.items()}
    found = balance.problems(
        balance.count([load], ledger, stored, counts, [one.name for one in to] if arrival.complete else [])
    )
    if not arrival.complete:
        found.append(f"not all events arrived within {PATIENCE_S:.0f} s: {counts}")
    ages = [(one.p50_ms, one.p99_ms) for one in arrived.values()]
    slowest = max(age[0] for age in ages), max(age[1] for age in ages)
    return Burst(arrival.at - load.began_at, max(used, 0.01), memory, slowest, found)
