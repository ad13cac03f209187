"""Isolation: what three vendors in trouble cost a healthy one. Each run has a fresh daemon; both sides take turns."""

from __future__ import annotations

import asyncio

import msgspec

from router.bench.child import CLIENT_CORE
from router.bench.config import Receiver
from router.bench.live import Vendor, latencies, on_core, open_client, p99
from router.bench.measure import cpu_s, peak_mb, percentile, ratios, spread
from router.bench.plan import Outcome, Plan
from router.bench.report import Line
from router.bench.subject import daemon
from router.daemon import loop_factory

RATE = 200.0
USERS = [f"live-{number:03d}" for number in range(100)]
HEALTHY = Receiver("healthy")
TROUBLE = (Receiver("hanging", "hang"), Receiver("failing", "fail"), Receiver("limited", "limit"))


class Course(msgspec.Struct):
    """One run: milliseconds from the 200 to the healthy vendor, ascending."""

    took: list[float]
    cpu_s: float
    peak_mb: float
    problems: list[str]


def isolation(plan: Plan) -> Outcome:
    """The healthy destination beside three in trouble, and alone, at the same rate."""
    alone: list[Course] = []
    beside: list[Course] = []
    for number in range(plan.rounds):
        plan.progress(f"isolation {number + 1}/{plan.rounds}")
        alone.append(_course(plan, (HEALTHY,)))
        beside.append(_course(plan, (HEALTHY, *TROUBLE)))
    lines = [
        _line("p99 beside hang, 503 and 429", beside, alone, "the same alone"),
        _line("p99 alone", alone),
    ]
    return Outcome(lines, [f"isolation: {words}" for course in [*alone, *beside] for words in course.problems])


def _line(name: str, courses: list[Course], reference: list[Course] | None = None, against: str = "") -> Line:
    tails = [p99(course.took) for course in courses]
    rates = [len(course.took) / course.cpu_s if course.cpu_s else 0.0 for course in courses]
    result = Line("isolation", name, RATE, spread(rates).median, p99_ms=spread(tails).median, runs=len(courses), against=against)  # fmt: skip
    result.p50_ms = spread([percentile(course.took, 0.5) for course in courses]).median
    result.p999_ms = spread([percentile(course.took, 0.999) for course in courses]).median
    if reference:
        result.ratio = ratios(tails, [p99(course.took) for course in reference])
    result.more = {"peak_rss_mb": max(course.peak_mb for course in courses)}
    return result


def _course(plan: Plan, receivers: tuple[Receiver, ...]) -> Course:
    with on_core(CLIENT_CORE), asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_run(plan, receivers))


async def _run(plan: Plan, receivers: tuple[Receiver, ...]) -> Course:
    async with Vendor() as vendor:
        with daemon(receivers, vendor.port, parent=plan.folder) as subject:
            async with open_client(subject.port) as client:
                await client.live_for(min(1.0, plan.seconds / 4), RATE, USERS)  # trouble is on when the measure begins
                before = cpu_s(subject.child.pid)
                ids = await client.live_for(plan.seconds, RATE, USERS)
                used = cpu_s(subject.child.pid) - before
                took, problems = await latencies(ids, client, vendor.came.setdefault(HEALTHY.name, {}))
                ledger = await asyncio.to_thread(subject.ledger)
            if ledger["accepted"] != len(client.stored):
                problems.append(f"{ledger['accepted']} events accepted, {len(client.stored)} answered")
            return Course(took, used, peak_mb(subject.child.pid), problems)
