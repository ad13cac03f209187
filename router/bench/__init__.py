"""How fast it is: load against a real daemon, beside a reference in the same run, with a check that nothing was lost.

    router.bench.main(["ingress", "--quick"])        # or: python -m router.bench ingress --quick

A ratio is worth more than a rate: both sides run interleaved on the same core of the same machine within seconds.
"""

from __future__ import annotations

from router.bench.command import main

__all__ = ["main"]
