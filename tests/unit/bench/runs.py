"""Made-up runs for the tests of the benchmark."""

from __future__ import annotations

from typing import Any

import msgspec

from router.bench.load import Loaded
from router.bench.report import Conditions


def loaded(**changes: Any) -> Loaded:
    """A run in which a hundred events were sent and answered."""
    plain = Loaded(
        began_at=0.0, seconds=1.0, requests=1, events=100, p50_ms=1.0, p99_ms=2.0, p999_ms=3.0, cpu_s=0.5, written=1000,
        foreign=0.0, generator_share=0.1, answered=100, repeated=0, refused={}, unanswered=0,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def conditions() -> Conditions:
    """Of a machine that there is not."""
    return Conditions("0", "3", "3", {"aiohttp": "3"}, "a processor", 2, "not pinned", "/x", 0.1, True, 2.0, 3)
