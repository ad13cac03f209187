"""End to end: batches in, requests out to a sink that counts. Every scenario runs on a fresh daemon."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

from router.bench import balance
from router.bench.config import Receiver
from router.bench.ingest import BATCH_CONNECTIONS
from router.bench.load import Loaded
from router.bench.measure import cpu_s, peak_mb
from router.bench.plan import Outcome, Plan
from router.bench.report import Line, line
from router.bench.sink import Arrived
from router.bench.subject import Subject, daemon, send
from router.bench.traffic import Traffic
from router.bench.workload import Workload

DRAIN_S = 120.0
GATED_USERS = 5_000
LATE_SHARE = 0.2
"""Of the users of the gated scenario, whose group is told only after their events."""


class Scenario(msgspec.Struct, frozen=True):
    """Who receives. `late`: a share of the users has no group until all events are in."""

    name: str
    receivers: tuple[Receiver, ...]
    late: bool = False

    @property
    def healthy(self) -> tuple[str, ...]:
        """The destinations that must have everything in the end."""
        return tuple(r.name for r in self.receivers if r.manner == "ok")


class Course(msgspec.Struct, frozen=True):
    """One run of a scenario. Whole path: from the first event until the healthy destinations have all."""

    load: Loaded
    whole_rate: float
    whole_rate_per_cpu: float
    drain_s: float
    peak_rss_mb: float
    arrived: Mapping[str, Arrived]
    problems: list[str]


SCENARIOS = (
    Scenario("1 destination", (Receiver("one"),)),
    Scenario("3 destinations", (Receiver("one"), Receiver("two"), Receiver("three"))),
    Scenario("1 destination, gated, 20 % late groups", (Receiver("one", gated=True),), late=True),
    Scenario("healthy beside one of 200 ms", (Receiver("one"), Receiver("slow", "slow"))),
    Scenario("healthy beside one of 503", (Receiver("one"), Receiver("failing", "fail"))),
    Scenario("1 destination, 1 event a request", (Receiver("one", batch=1),)),
)


def e2e(plan: Plan) -> Outcome:
    """All scenarios, each beside the first one in the same round."""
    courses: dict[str, list[Course]] = {scenario.name: [] for scenario in SCENARIOS}
    problems: list[str] = []
    for number in range(plan.rounds):
        for scenario in SCENARIOS:
            plan.progress(f"e2e {number + 1}/{plan.rounds}: {scenario.name}")
            course = run_scenario(plan, scenario, seed=number)
            courses[scenario.name].append(course)
            problems += [f"e2e, {scenario.name}: {problem}" for problem in course.problems]
    first = courses[SCENARIOS[0].name]
    lines = [_line(name, some, first if some is not first else []) for name, some in courses.items()]
    return Outcome(lines, problems)


def _line(name: str, courses: list[Course], first: list[Course]) -> Line:
    last = courses[-1]
    more = {
        "whole path ev/s": last.whole_rate, "per cpu-s": last.whole_rate_per_cpu, "drained after s": last.drain_s,
        "peak_rss_mb": last.peak_rss_mb,
    }  # fmt: skip
    for destination, arrived in last.arrived.items():
        more |= {
            f"{destination} requests": arrived.requests,
            f"{destination} p50": arrived.p50_ms,
            f"{destination} p99": arrived.p99_ms,
        }
    return line("e2e", name, [c.load for c in courses], [c.load for c in first], SCENARIOS[0].name, **more)


def run_scenario(plan: Plan, scenario: Scenario, seed: int = 1) -> Course:
    """Load a fresh daemon, wait for the healthy destinations, and count everything."""
    with (
        Traffic() as sink,
        daemon(scenario.receivers, sink.port, parent=plan.folder) as subject,
    ):
        loads: list[Loaded] = []
        own = (subject.child.pid, sink.pid)
        workload = Workload("batch", seed)
        if scenario.late:
            split = int(GATED_USERS * (1 - LATE_SHARE))
            loads.append(_tell_groups(subject, (0, split), seed))
            workload = Workload("batch", seed, (0, GATED_USERS))
        cpu_began = cpu_s(subject.child.pid)
        load = send(subject.port, subject.child.pid, workload, BATCH_CONNECTIONS, plan.seconds, own)
        loads.append(load)
        if scenario.late:
            loads.append(_tell_groups(subject, (split, GATED_USERS), seed))
        drain_s = subject.wait_until_done(scenario.healthy, DRAIN_S)
        took, cpu = time.monotonic() - load.began_at, cpu_s(subject.child.pid) - cpu_began
        memory = peak_mb(subject.child.pid)
        ledger, stored = subject.stop()
        arrived = sink.arrived()
        counts = {name: one.accepted for name, one in arrived.items()}
        found = balance.problems(balance.count(loads, ledger, stored, counts, scenario.healthy))
    accepted = ledger["accepted"]
    return Course(load, accepted / took, accepted / cpu if cpu else 0.0, drain_s, memory, arrived, found)


def _tell_groups(subject: Subject, users: tuple[int, int], seed: int) -> Loaded:
    workload = Workload("groups", 1_000_000 + seed * GATED_USERS + users[0], users)
    return send(subject.port, subject.child.pid, workload, 1, 0.0)
