"""When to try again: full jitter, first wait up to 1 s, doubling, capped at 5 minutes. A value, not a branch of a loop."""

from __future__ import annotations

from random import Random

FIRST_S, CAP_S = 1.0, 300.0
ASKED_CAP_S = 24 * 3600.0
"""Nobody waits longer than this because a vendor or a plugin asked for it."""


def wait_s(attempts: int, random: Random, asked_s: float | None = None) -> float:
    """Seconds until the next attempt after `attempts` failures. What the vendor asked for is waited out exactly; "at once"
    is no wait, and no invitation to hammer it.

    Full jitter spreads a crowd of lanes that failed together over the whole span.
    """
    if asked_s is not None and asked_s > 0:
        return min(asked_s, ASKED_CAP_S)
    return random.uniform(0.05, min(CAP_S, FIRST_S * 2 ** min(attempts - 1, 20)))
