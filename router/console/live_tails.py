"""The tails of the pages that are looked at, and how often each may ask the store."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import msgspec

from router.console.live_tail import Tail

MOST, MOST_CHARACTERS, IDLE_S = 32, 8_000_000, 60.0
"""Tails that are kept, and the characters of all. One that nobody looked at for a minute goes; where there are too many, those that
were looked at longest ago."""

SHARE_OF_TIME = 0.1
"""All of them together ask the store for at most this part of the time: with many pages, or a slow search, each asks less often."""


@dataclass
class _Kept:
    tail: Tail
    used_s: float = 0.0
    due_s: float = 0.0
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Tails:
    """By what their pages ask for."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    async def fresh(self, key: Hashable, make: Callable[[], Tail], since_ms: int) -> Tail:
        """The tail of this key, after another look if one is due. `since_ms`: from when on, as it is asked for now."""
        time = asyncio.get_running_loop().time
        kept = self._kept.get(key) or self._kept.setdefault(key, _Kept(make()))
        self._kept.move_to_end(key)
        kept.used_s = time()
        self._forget(kept.used_s)
        async with kept.looking:
            began = time()
            if began >= kept.due_s:
                kept.tail.which = msgspec.structs.replace(kept.tail.which, since=since_ms)
                await kept.tail.look()
                kept.due_s = time() + (time() - began) * len(self._kept) / SHARE_OF_TIME
        return kept.tail

    def _forget(self, now_s: float) -> None:
        characters = 0
        for number, (key, kept) in enumerate(reversed(list(self._kept.items()))):
            characters += kept.tail.characters
            if number and (number >= MOST or characters > MOST_CHARACTERS or now_s - kept.used_s > IDLE_S):
                del self._kept[key]
