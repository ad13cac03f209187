"""When to try again: full jitter, first wait up to 1 s, doubling, capped at 5 minutes. A value, not a branch of a loop."""

from __future__ import annotations

from random import Random

FIRST_S, CAP_S = 1.0, 300.0


def wait_s(attempts: int, random: Random, asked_s: float | None = None) -> float:
    """Seconds until the next attempt after `attempts` failures. What the vendor asked for is waited out exactly.

    Full jitter spreads a crowd of lanes that failed together over the whole span.
    """
    if asked_s is not None:
        return max(0.0, asked_s)
    return random.uniform(0.05, min(CAP_S, FIRST_S * 2 ** min(attempts - 1, 20)))
