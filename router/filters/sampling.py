"""Which events a share keeps: always the same ones for the same value, as Segment does it."""

from __future__ import annotations

import hashlib
from typing import Any

from router.filters.values import compact_json


def fraction(value: Any) -> float:
    """A number from 0 to below 1 that belongs to a value: the first 8 bytes of the MD5 of its compact JSON."""
    text = compact_json(value) or "null"
    digest = hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
