"""What was counted, as series for plots: buckets of minutes or hours, joined to as many points as a plot can show. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from router.clock import to_iso
from router.counts import Counted, Counts
from router.store import HOUR_S, MINUTE_S


class Period(NamedTuple):
    """A span that a plot can show."""

    length_s: int
    step_s: int  #: between two points
    bucket_s: int  #: of the buckets that it is made of


PERIODS = {
    "10m": Period(600, MINUTE_S, MINUTE_S),
    "1h": Period(HOUR_S, MINUTE_S, MINUTE_S),
    "24h": Period(24 * HOUR_S, 10 * MINUTE_S, MINUTE_S),
    "7d": Period(7 * 24 * HOUR_S, HOUR_S, HOUR_S),
    "90d": Period(90 * 24 * HOUR_S, 12 * HOUR_S, HOUR_S),
}

NUMBERS = {
    "source": ("accepted", "duplicates", "discarded"),
    "destination": ("delivered", "skipped", "filtered", "dead", "retried"),
}
"""What is added up of each kind."""
PEAKS = ("oldest_s", "held_people", "held_events")
"""What is sampled once a minute at a destination; a point has the highest sample."""
LATENCIES = {"latency_p50_s": 0.5, "latency_p95_s": 0.95}

Bucket = tuple[int, Counted, Counts]


def begin_ms(period: Period, now_ms: int) -> int:
    """When the first point begins. The last one has this very moment in it."""
    step_ms = 1000 * period.step_s
    return now_ms - now_ms % step_ms + step_ms - 1000 * period.length_s


def series(buckets: Iterable[Bucket], period: Period, now_ms: int) -> dict[str, Any]:
    """Columns of equal length, one value a point; None where the router did not run, or nothing was delivered.

    Args:
        buckets: of one source or destination, or of all of them, which are then added up.
    """
    begin, step_ms = begin_ms(period, now_ms), 1000 * period.step_s
    points = [begin + n * step_ms for n in range(period.length_s // period.step_s)]
    found: dict[int, dict[Counted, Counts]] = defaultdict(dict)
    for at, whom, counts in buckets:
        found[at - at % step_ms].setdefault(whom, Counts()).add(counts)
    kinds = {whom.kind for of_point in found.values() for whom in of_point}
    columns: dict[str, list[float | None]] = {}
    for kind in ("source", "destination"):
        if kind not in kinds:
            continue
        for name in NUMBERS[kind]:
            columns[name] = [_sum(found.get(at, {}), kind, name) for at in points]
    if "destination" in kinds:
        for name, share in LATENCIES.items():
            columns[name] = [_latency(found.get(at, {}), share) for at in points]
        for name in PEAKS:
            columns[name] = [_peak(found.get(at, {}), name) for at in points]
    return {
        "since": to_iso(begin),
        "step_s": period.step_s,
        "times": [at // 1000 for at in points],
        "columns": columns,
    }


def total(buckets: Iterable[Bucket]) -> Counts:
    """All of it together."""
    counts = Counts()
    for _, _, of_bucket in buckets:
        counts.add(of_bucket)
    return counts


def reasons(counts: Counts) -> dict[str, dict[str, int]]:
    """By name of a number, how many of it there are by reason, the most frequent first."""
    found: dict[str, dict[str, int]] = {}
    for words, n in sorted(counts.why.items(), key=lambda item: -item[1]):
        name, _, reason = words.partition(" ")
        found.setdefault(name, {})[reason] = n
    return found


def _sum(of_point: dict[Counted, Counts], kind: str, name: str) -> int | None:
    theirs = [counts for whom, counts in of_point.items() if whom.kind == kind]
    return sum(counts.n.get(name, 0) for counts in theirs) if theirs else None


def _peak(of_point: dict[Counted, Counts], name: str) -> float | None:
    """Of several destinations the oldest event, and all people and events that are held. None: not sampled yet."""
    theirs = [
        counts.peak[name] for whom, counts in of_point.items() if whom.kind == "destination" and name in counts.peak
    ]
    if not theirs:
        return None
    return max(theirs) if name == "oldest_s" else sum(theirs)


def _latency(of_point: dict[Counted, Counts], share: float) -> float | None:
    together = Counts()
    for counts in of_point.values():
        together.add(Counts(latency=counts.latency))
    seconds = together.latency_s(share)
    return None if seconds is None else round(seconds, 3)
