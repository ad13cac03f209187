"""V1 to V5: what an event costs on the whole path, beside a bare forwarder that runs next to each of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median

from router.bench.measure import pairs
from router.bench.path import Form, Passed, run_forwarder, run_path
from router.bench.plan import Outcome, Plan, in_turn
from router.bench.report import Line, Measure, measure

DESTINATIONS = 5
"""With how many V4 is measured."""

SINGLE = Form("single in, 1 event a POST", "single", 1)
BATCH = Form("batches in, 1 event a POST", "batch", 1)
PACKED = Form("batches in, 100 events a POST")
EXCEPTIONS = Form("batches in, 100 a POST, exceptions logged", decisions="exceptions")
MANY = Form(f"batches in, 100 a POST, {DESTINATIONS} destinations", destinations=DESTINATIONS)
AGAINST_FORWARDER = {"V1": SINGLE, "V2": BATCH, "V3": PACKED}
INGEST = Form("batches in, no destination", destinations=0)


def whole(plan: Plan) -> Outcome:
    """Each form once a round, those that are compared next to each other."""
    runs: dict[str, list[Passed]] = {}

    def keep(name: str, run: Callable[[int], Passed], number: int) -> None:
        plan.progress(f"whole {number + 1}/{plan.rounds}: {name}")
        runs.setdefault(name, []).append(run(number))

    for number in range(plan.rounds):
        for form in AGAINST_FORWARDER.values():
            sides = [
                (_forwarder_of(form), partial(run_forwarder, plan)),
                (form.name, partial(run_path, plan, form)),
            ]
            for name, run in in_turn(sides, number):
                keep(name, run, number)
        for form in in_turn([EXCEPTIONS, INGEST, MANY], number):
            keep(form.name, partial(run_path, plan, form), number)
    problems = [f"whole, {problem}" for passed in runs.values() for one in passed for problem in one.problems]
    return Outcome([_line(name, passed) for name, passed in runs.items()], problems, _table(runs))


def _forwarder_of(form: Form) -> str:
    return f"bare forwarder, next to: {form.name}"


def _table(runs: dict[str, list[Passed]]) -> list[Measure]:
    table = []
    for id, form in AGAINST_FORWARDER.items():
        passed, reference = runs[form.name], runs[_forwarder_of(form)]
        table.append(_ratio(id, passed, reference))
    ingest, one, many = _costs(runs[INGEST.name]), _costs(runs[PACKED.name]), _costs(runs[MANY.name])
    shares = [further_share(*costs, DESTINATIONS) for costs in zip(ingest, one, many, strict=True)]
    more = {
        "ingest us": median(ingest),
        "1 destination us": median(one),
        f"{DESTINATIONS} destinations us": median(many),
    }
    table.append(measure("V4", shares, **more, client=_client(runs[MANY.name])))
    table.append(_ratio("V5", runs[PACKED.name], runs[EXCEPTIONS.name]))
    return table


def further_share(ingest: float, one: float, many: float, destinations: int) -> float:
    """What each further destination costs, of what the first one costs on top of ingestion."""
    first = one - ingest
    return (many - one) / (destinations - 1) / first if first > 0 else 0.0


def _ratio(id: str, passed: list[Passed], reference: list[Passed]) -> Measure:
    samples = pairs([one.per_cpu for one in passed], [one.per_cpu for one in reference])
    more = {
        "us an event": median(_costs(passed)),
        "reference us": median(_costs(reference)),
        "ev/s": median([one.rate for one in passed]),
        "reference ev/s": median([one.rate for one in reference]),
        "foreign": median([one.load.foreign for one in [*passed, *reference]]),
        "client": _client([*passed, *reference]),
    }
    return measure(id, samples, **more)


def _costs(passed: list[Passed]) -> list[float]:
    return [one.cost_us for one in passed]


def _client(passed: list[Passed]) -> float:
    return max(one.load.generator_share for one in passed)


def _line(name: str, passed: list[Passed]) -> Line:
    load = [one.load for one in passed]
    result = Line(
        "whole", name, median([one.rate for one in passed]), median([one.per_cpu for one in passed]),
        p50_ms=median([one.p50_ms for one in load]), p99_ms=median([one.p99_ms for one in load]),
        p999_ms=median([one.p999_ms for one in load]), foreign=median([one.foreign for one in load]), runs=len(passed),
    )  # fmt: skip
    result.more = {
        "peak_rss_mb": max(one.peak_mb for one in passed),
        "age p50": median([one.age_ms[0] for one in passed]),
        "age p99": median([one.age_ms[1] for one in passed]),
        "client": _client(passed),
        "server": median([one.cpu_s / one.seconds for one in passed]),
    }
    return result
