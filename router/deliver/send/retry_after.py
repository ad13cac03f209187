"""The wait that a response asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

EPOCH_FROM = 1e9
"""A rate-limit reset that is at least this large is an instant, not a span."""


def retry_after_s(status: int, headers: Mapping[str, str], now_ms: int) -> float | None:
    """Seconds from now that a vendor asks for: Retry-After (seconds or a date), on a 429 also X-RateLimit-Reset.

    Instants count from the vendor's own `Date`, where it says one: router time may be far from it while a jump of the
    wall clock is taken in.
    """
    asked = headers.get("retry-after")
    if asked is not None and (asked := asked.strip()):
        try:
            return max(0.0, float(asked))
        except ValueError:
            at_s = _instant_s(asked)
            return None if at_s is None else max(0.0, at_s - _now_s(headers, now_ms))
    if status != 429:
        return None
    try:
        value = float(headers.get("x-ratelimit-reset", "").strip())
    except ValueError:
        return None
    return max(0.0, value - _now_s(headers, now_ms) if value >= EPOCH_FROM else value)


def _now_s(headers: Mapping[str, str], now_ms: int) -> float:
    return _instant_s(headers.get("date", "")) or now_ms / 1000


def _instant_s(date: str) -> float | None:
    """An HTTP date as seconds since 1970; None where it is none."""
    try:
        at = parsedate_to_datetime(date)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
