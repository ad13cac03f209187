"""Remembers what a function made of a text that somebody sent. Long texts are worked out each time: thousands of them would stay in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")

MAX_LENGTH = 500
"""Characters of a text that is remembered. A sender's head may have 16 KB in one line, and an event 32 KB in one text."""


def remembered(most: int) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """As `lru_cache`, for a pure function of one text. `most`: texts that are remembered."""

    def decorate(function: Callable[[str], T]) -> Callable[[str], T]:
        known = lru_cache(maxsize=most)(function)

        @wraps(function)
        def asked(text: str) -> T:
            return known(text) if len(text) <= MAX_LENGTH else function(text)

        return asked

    return decorate
