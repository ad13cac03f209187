"""V11: how long a single call waits for its 200 on the whole path, at rates that do not depend on the answers."""

from __future__ import annotations

from router.bench.measure import spread
from router.bench.path import Form, Passed, run_path
from router.bench.plan import Outcome, Plan, in_turn
from router.bench.report import Line, curve, measure

RATES = (500.0, 1_000.0, 2_000.0, 3_000.0, 4_000.0)
JUDGED = 2_000.0


def latency(plan: Plan) -> Outcome:
    """Every rate once a round, each on a fresh daemon."""
    runs: dict[float, list[Passed]] = {rate: [] for rate in RATES}
    for number in range(plan.rounds):
        for rate in in_turn(RATES, number):
            plan.progress(f"latency {number + 1}/{plan.rounds}: {rate:,.0f} calls a second")
            runs[rate].append(run_path(plan, Form(f"{rate:.0f}/s", "single", 1, rate=rate), number))
    judged = [one.load for one in runs[JUDGED]]
    more = {
        "p50 ms": spread([load.p50_ms for load in judged]).median,
        "p99.9 ms": spread([load.p999_ms for load in judged]).median,
        "age at the sink p99 ms": spread([one.age_ms[1] for one in runs[JUDGED]]).median,
        "foreign": spread([load.foreign for load in judged]).median,
        "client": max(load.generator_share for load in judged),
    }
    points = {rate: [(one.rate, one.load.p50_ms, one.load.p99_ms) for one in passed] for rate, passed in runs.items()}
    return Outcome(
        [_line(rate, passed) for rate, passed in runs.items()],
        [f"latency, {problem}" for passed in runs.values() for one in passed for problem in one.problems],
        [measure("V11", [load.p99_ms for load in judged], **more)],
        [curve("load", "single calls a second", "answer", points)],
    )


def _line(rate: float, passed: list[Passed]) -> Line:
    load = [one.load for one in passed]
    return Line(
        "latency", f"{rate:,.0f} single calls a second", spread([one.rate for one in passed]).median,
        spread([one.per_cpu for one in passed]).median, p50_ms=spread([one.p50_ms for one in load]).median,
        p99_ms=spread([one.p99_ms for one in load]).median, p999_ms=spread([one.p999_ms for one in load]).median,
        foreign=spread([one.foreign for one in load]).median, runs=len(passed),
        more={"age p50": spread([one.age_ms[0] for one in passed]).median, "age p99": spread([one.age_ms[1] for one in passed]).median},
    )  # fmt: skip
