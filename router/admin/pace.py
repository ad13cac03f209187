"""How fast something comes and grows, from what was counted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from router.admin.series import Bucket, Period
from router.store import HOUR_S

WEEK_AND_MORE = Period(8 * 24 * HOUR_S, HOUR_S, HOUR_S)
"""In it are the hours of a week before."""

LEAST_MS = 3 * HOUR_S * 1000
"""A growth is told when the store was measured for so long."""

HOUR_MS, DAY_MS = HOUR_S * 1000, 24 * HOUR_S * 1000


def a_week_before(hours: Iterable[Bucket], now_ms: int) -> int | None:
    """What was accepted in the hour that ended a week ago. It lies in two buckets: of each counts its share.

    None where the router did not run then.
    """
    end = now_ms - 7 * DAY_MS
    shares = [
        (counts.n.get("accepted", 0), max(0, min(at + HOUR_MS, end) - max(at, end - HOUR_MS)) / HOUR_MS)
        for at, _, counts in hours
    ]
    return round(sum(n * share for n, share in shares)) if any(share for _, share in shares) else None


def growth(hours: Sequence[Bucket]) -> float | None:
    """Bytes a day that the store grew by, over the last day or what there is of it; None before that can be told."""
    sizes = [(at, counts.peak["bytes"]) for at, _, counts in hours if "bytes" in counts.peak]
    lately = [(at, size) for at, size in sizes if at >= sizes[-1][0] - DAY_MS]
    if not lately or lately[-1][0] - lately[0][0] < LEAST_MS:
        return None
    (begin, before), (end, now) = lately[0], lately[-1]
    return (now - before) * DAY_MS / (end - begin)
