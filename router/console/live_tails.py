"""The tails of the pages that are looked at, and how often each may ask the store."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import msgspec

from router.console.live_tail import Tail

MOST, IDLE_S = 500, 60.0
"""Tails that are kept: more than pages can keep themselves fresh (`limits.STREAMS`), so that one which is looked at never makes room for
another. One that nobody looked at for a minute goes; where there are too many, those that were looked at longest ago."""

MOST_CHARACTERS = 8_000_000
"""Of all tails. Each has an equal share: the more pages with filters of their own, the fewer rows each shows."""

GAP_S = 0.004
"""Between two pieces of rows, of all pages together: a piece takes some 1 ms, so rows are made in at most a fifth of the time."""

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
        self._gap = asyncio.Lock()

    async def give_way(self) -> None:
        """Let events be accepted before more rows are made. Pages wait for each other here."""
        async with self._gap:
            await asyncio.sleep(GAP_S)

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
                kept.tail.fit(MOST_CHARACTERS // len(self._kept))
                kept.tail.which = msgspec.structs.replace(kept.tail.which, since=since_ms)
                await kept.tail.look()
                kept.due_s = time() + (time() - began) * len(self._kept) / SHARE_OF_TIME
        return kept.tail

    def _forget(self, now_s: float) -> None:
        for key, kept in list(self._kept.items())[:-1]:  # looked at longest ago first; the last one is asked for now
            if len(self._kept) <= MOST and now_s - kept.used_s <= IDLE_S:
                break
            del self._kept[key]
