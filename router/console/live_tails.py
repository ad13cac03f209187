"""The tails of the pages that are looked at, and how often each may ask the store."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from aiohttp import web

from router.console.live_rows import Row, Rows
from router.console.live_tail import Tail
from router.console.turns import ROWS_S, Turns

MOST, IDLE_S = 500, 60.0
"""Tails that are kept: more than pages can keep themselves fresh (`limits.STREAMS`), so that one which is looked at never makes room for
another. One that nobody looked at for a minute goes; where there are too many, those that were looked at longest ago."""

MOST_CHARACTERS = 8_000_000
"""Of all tails. Each has an equal share: the more pages with filters of their own, the fewer rows each shows."""

CELLS_AT_A_TIME, CELLS_OF_A_ROW = 24, 4
"""Of a turn (`ROWS_S`). A row takes as long as so many cells, and as many more as there are destinations."""

SHARE_OF_TIME = 0.1
"""All of them together ask the store for at most this part of the time: with many pages, or a slow search, each asks less often."""


PATIENCE_S = 0.5
"""A page that has rows waits so long for newer ones."""


@dataclass
class _Kept:
    tail: Tail
    used_s: float = 0.0
    due_s: float = 0.0
    looking: asyncio.Task[None] | None = None

    def end(self, task: asyncio.Task[None]) -> None:
        """The look is over. Whoever waits for it raises what it raised; it may be that nobody does."""
        self.looking = None
        if not task.cancelled():
            task.exception()


class Tails:
    """By what their pages ask for."""

    def __init__(self, turns: Turns, patience_s: float = PATIENCE_S) -> None:
        self._turns, self._patience_s = turns, patience_s
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._making = asyncio.Lock()
        self._near, self._far = (
            asyncio.Lock(),
            asyncio.Lock(),
        )  #: looks at what is new, and searches that may go far back
        self._modes: list[tuple[str, str]] = []
        self._rows = Rows()

    def rows(self, modes: Mapping[str, str]) -> Rows:
        """Those that all pages share. `modes`: of the destinations that they show, in their order; others are other rows."""
        if list(modes.items()) != self._modes:
            self._modes, self._rows = list(modes.items()), Rows()
        return self._rows

    async def make(self, rows: Sequence[Row], render: Callable[[Row], str], destinations: int) -> None:
        """Make those that no page has shown yet, piece by piece. Pages wait for each other: the next one finds them made."""
        at_a_time = max(1, CELLS_AT_A_TIME // (CELLS_OF_A_ROW + destinations))
        async with self._making:
            fresh = [row for row in rows if not row.html]
            for number, row in enumerate(fresh):
                if number % at_a_time == 0:
                    await self._turns.take(ROWS_S)
                row.html = row.html or render(row).encode()

    async def fresh(self, key: Hashable, make: Callable[[], Tail], since_ms: int) -> Tail:
        """The tail of this key, after another look if one is due. A look that takes its time goes on, and those who ask meanwhile get the
        rows of the last one. `since_ms`: from when on, as it is asked for now."""
        time = asyncio.get_running_loop().time
        kept = self._kept.get(key) or self._kept.setdefault(key, _Kept(make()))
        self._kept.move_to_end(key)
        kept.used_s = time()
        self._forget(kept.used_s)
        if kept.looking is None and time() >= kept.due_s:
            kept.looking = asyncio.create_task(self._look(kept, since_ms), name="console-live")
            kept.looking.add_done_callback(kept.end)
        if (looking := kept.looking) is not None:
            await asyncio.wait({looking}, timeout=self._patience_s if kept.tail.seen_ms else None)
            if looking.done():
                looking.result()
        return kept.tail

    async def close(self, app: web.Application) -> None:
        """The daemon stops: no look goes on."""
        for kept in self._kept.values():
            if kept.looking is not None:
                kept.looking.cancel()

    async def _look(self, kept: _Kept, since_ms: int) -> None:
        time = asyncio.get_running_loop().time
        # one after the other: how long it waits for the others says nothing of this one
        async with self._far if kept.tail.may_take_long else self._near:
            began = time()
            kept.tail.fit(MOST_CHARACTERS // max(1, len(self._kept)))
            kept.tail.which = msgspec.structs.replace(kept.tail.which, since=since_ms)
            await kept.tail.look()
            kept.due_s = time() + (time() - began) * len(self._kept) / SHARE_OF_TIME

    def _forget(self, now_s: float) -> None:
        for key, kept in list(self._kept.items())[:-1]:  # looked at longest ago first; the last one is asked for now
            if len(self._kept) <= MOST and now_s - kept.used_s <= IDLE_S:
                break
            del self._kept[key]
