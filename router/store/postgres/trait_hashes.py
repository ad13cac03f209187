"""The traits by which people and groups are looked for, as numbers that an index can hold however long they are."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any


def trait_hash(value: Any) -> int | None:
    """Of a text without regard to its case; None of what is no text."""
    word = folded(value)
    if not word:
        return None
    digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def folded(value: Any) -> str:
    """A text as it is compared; empty for what is no text."""
    return value.strip().casefold() if isinstance(value, str) else ""
