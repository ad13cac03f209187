"""Tracing: what the spans of requests and deliveries cost on the whole path, beside the same run without them."""

from __future__ import annotations

from functools import partial
from statistics import median

import msgspec

from router.bench.measure import pairs, spread
from router.bench.path import Form, Passed, run_path
from router.bench.plan import Outcome, Plan, in_turn
from router.bench.report import Line
from router.config.otel_extra import INSTALL_OTEL, is_otel_installed

PLAIN = (Form("single in, 1 event a POST", "single", 1), Form("batches in, 100 events a POST"))
SAMPLES = (1.0, 0.1)


def tracing(plan: Plan) -> Outcome:
    """Each form without spans, then with a span of every request and of every tenth; the order changes every round."""
    if not is_otel_installed():
        return Outcome([], [f"tracing: {INSTALL_OTEL}"])
    runs: dict[Form, list[Passed]] = {}
    for number in range(plan.rounds):
        for plain in PLAIN:
            sides = [plain, *(traced(plain, sample) for sample in SAMPLES)]
            for form, run in in_turn([(form, partial(run_path, plan, form)) for form in sides], number):
                plan.progress(f"tracing {number + 1}/{plan.rounds}: {form.name}")
                runs.setdefault(form, []).append(run(number))
    lines = [
        _line(form, runs[form], runs[plain])
        for plain in PLAIN
        for form in (plain, *(traced(plain, sample) for sample in SAMPLES))
    ]
    return Outcome(
        lines, [f"tracing, {problem}" for passed in runs.values() for one in passed for problem in one.problems]
    )


def traced(plain: Form, sample: float) -> Form:
    """The same with the spans of this share of the requests."""
    return msgspec.structs.replace(plain, name=f"{plain.name}, {sample:.0%} traced", sample=sample)


def _line(form: Form, passed: list[Passed], plain: list[Passed]) -> Line:
    load = [one.load for one in passed]
    result = Line(
        "tracing", form.name, median([one.rate for one in passed]), median([one.per_cpu for one in passed]),
        p50_ms=median([one.p50_ms for one in load]), p99_ms=median([one.p99_ms for one in load]),
        p999_ms=median([one.p999_ms for one in load]), foreign=median([one.foreign for one in load]), runs=len(passed),
    )  # fmt: skip
    result.more = {
        "us an event": median([one.cost_us for one in passed]),
        "peak_rss_mb": max(one.peak_mb for one in passed),
        "exports": sum(one.exports for one in passed),
    }
    if form.sample:
        result.against = "none traced"
        result.ratio = spread(pairs([one.rate for one in passed], [one.rate for one in plain]))
        result.cpu_ratio = spread(pairs([one.per_cpu for one in passed], [one.per_cpu for one in plain]))
        result.more["us more"] = median([a.cost_us - b.cost_us for a, b in zip(passed, plain, strict=True)])
    return result
