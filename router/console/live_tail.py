"""The newest events of one kind, kept in memory while pages show them: each look asks the store for what is new, for the states of those
that were not settled yet, and for those that were read some time ago."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from router.clock import to_iso
from router.console.live_rows import Row, Rows, is_fresh
from router.store import EventQuery

MOST_ROWS = 200
"""Rows of a page."""

MOST_SAMPLED = 100
"""The same where one in so many is shown: half of them are replaced in a second or two."""

OF_AN_EVENT, OF_A_ROW = 1_000, 2_500
"""Characters: of an event in memory, and of a row whose HTML is not known yet."""

MOST_PER_S = 50
"""Above it nobody can read along: one in so many is shown."""

SHARES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
SLACK = 1.2
"""A rate that changes by less than this changes no share."""

NOWHERE = EventQuery(every=0, after=1 << 62)
"""Asks for the newest position only."""

Ask = Callable[[EventQuery, int | None, int], Awaitable[dict[str, Any]]]
"""Asks the store: which events, in front of which position, how many."""


class Rate:
    """Events a second, over the last 5 s."""

    SPAN_MS = 5_000

    def __init__(self) -> None:
        self._notes: deque[tuple[int, int]] = deque()  # (ms, how many up to then)

    def note(self, now_ms: int, n: int) -> None:
        """So many more have come by now."""
        self._notes.append((now_ms, (self._notes[-1][1] if self._notes else 0) + n))
        while len(self._notes) > 2 and now_ms - self._notes[1][0] >= self.SPAN_MS:
            self._notes.popleft()

    @property
    def per_s(self) -> float:
        """As of the last note."""
        if len(self._notes) < 2:
            return 0.0
        (began, before), (ended, after) = self._notes[0], self._notes[-1]
        return 1000 * (after - before) / max(ended - began, 200)


class Tail:
    """The newest events of one kind; with `before`, those in front of a position, and how many came since."""

    def __init__(
        self, which: EventQuery, before: int | None, ask: Ask, now_ms: Callable[[], int], shared: Rows
    ) -> None:
        """`shared`: rows that other tails have, too."""
        self.which, self.before, self._shared = which, before, shared
        self.rows: list[Row] = []  #: newest first
        self.room = MOST_ROWS  #: rows that it may keep: fewer where many pages share the memory
        self.every = 1  #: one in so many is shown
        self.newer = 0  #: of this kind, from `before` on
        self.next: int | None = None  #: where a search for older ones goes on
        self.searched_to: str | None = None  #: it gave up at this instant
        self.seen_ms = 0  #: when it looked last
        self._ask, self._now_ms, self._rate = ask, now_ms, Rate()
        self._head: int | None = None  #: how far the log was looked at
        self._came: deque[tuple[int, int]] = deque()  #: (behind which position, how many) of the looks

    @property
    def per_s(self) -> float:
        """Events of this kind a second."""
        return self._rate.per_s

    @property
    def left_out(self) -> int:
        """Events of this kind that came since the oldest one that is shown, and are not."""
        if self.every == 1:
            return 0
        return max(0, sum(n for _, n in self._came) - len(self.rows))

    @property
    def is_full(self) -> bool:
        """Whether there may be older events than those shown."""
        return len(self.rows) >= self._most

    @property
    def _most(self) -> int:
        return min(self.room, MOST_ROWS if self.every == 1 else MOST_SAMPLED)

    @property
    def characters(self) -> int:
        """About what it takes."""
        return sum(len(row.html) + OF_AN_EVENT for row in self.rows)

    def fit(self, characters: int) -> None:
        """Keep no more rows than take about so many characters. At least one."""
        each = max(OF_A_ROW, self.characters // max(1, len(self.rows)))
        self.room = min(MOST_ROWS, max(1, characters // each))
        self._keep(self.rows)

    async def look(self) -> None:
        """Ask for what is new."""
        if self.which.asks_states:
            await self._search()
        elif self._head is None:
            await self._begin()
        else:
            await self._go_on(self._head)
        if self.before is not None:
            await self._count_newer(self.before)
        if self.which.since:
            since = to_iso(self.which.since)
            self.rows = [row for row in self.rows if row.at >= since]
        self.seen_ms = self._now_ms()

    async def _search(self) -> None:
        """Events get into a state, and out of it, wherever they stand: all of them are asked for again."""
        found = await self._ask(self.which, self.before, self._most)
        self.rows = self._rows_of(found, {})
        self.next, self.searched_to = found["next"], found["searched_to"]

    async def _begin(self) -> None:
        """The first look. Where its 200 events are a few seconds old, they come too quickly to be read."""
        self.rows, found = await self._find(self._shown(self.every), self.before)
        self.next, self.searched_to = found["next"], found["searched_to"]
        if self.before is not None:
            return
        self._head = found["head"]
        if self.every == 1 and self.rows:
            self._rate = Rate()
            self._rate.note(self.rows[-1].at_ms, 0)
            self._rate.note(self._now_ms(), len(self.rows))
            if len(self.rows) == self._most and self._share() > 1:
                self.every = self._share()
                await self._begin()
        elif not self.rows:
            self._rate.note(self._now_ms(), 0)  # so the next look knows how quickly they come
        else:
            oldest = self.rows[-1].position - 1
            self._came = deque([(oldest, await self._count(oldest, found["head"] + 1))])

    async def _go_on(self, head: int) -> None:
        """What came since, and what has become of the rest."""
        self.rows = await self._again()
        if self.before is not None:
            return
        fresh, found = await self._find(self._shown(self.every, after=head), None)
        self._head = found["head"]
        is_whole = self.every == 1 and len(fresh) < self._most
        n = len(fresh) if is_whole else await self._count(head, found["head"] + 1)
        self._rate.note(self._now_ms(), n)
        self._keep([*fresh, *self.rows])
        self._came.append((head, n))
        while len(self._came) > 1 and self.rows and self._came[1][0] < self.rows[-1].position:
            self._came.popleft()
        share = self._share()
        if share != self.every and not self.every * MOST_PER_S / 3 < self.per_s <= self.every * MOST_PER_S * SLACK:
            self.every = share
            await self._begin()

    def _keep(self, rows: list[Row]) -> None:
        """These rows, as far as there is room: older ones are behind the last of them."""
        self.rows = rows[: self._most]
        if len(rows) > self._most:
            self.next = self.rows[-1].position

    async def _find(self, which: EventQuery, before: int | None) -> tuple[list[Row], dict[str, Any]]:
        """The rows of what is found, and the whole answer. What another tail has just read is not looked up again."""
        known = self._shared.fresh(which.after, self._now_ms())
        found = await self._ask(msgspec.structs.replace(which, known=frozenset(known)), before, self._most)
        return self._rows_of(found, known), found

    def _rows_of(self, found: Mapping[str, Any], known: Mapping[int, Row]) -> list[Row]:
        now_ms = self._now_ms()
        return [known.get(event["position"]) or self._shared.of_event(event, now_ms) for event in found["items"]]

    async def _again(self) -> list[Row]:
        """The rows as they are now. Without those of events that the store no longer has."""
        now_ms = self._now_ms()
        rows = {
            row.position: row if is_fresh(row, now_ms) else self._shared.fresh_at(row.position, now_ms)
            for row in self.rows
        }
        left = [pos for pos, row in rows.items() if row is None]
        if left:
            found = await self._ask(EventQuery(at=tuple(left), after=min(left) - 1), max(left) + 1, MOST_ROWS)
            rows |= {row.position: row for row in self._rows_of(found, {})}
        return [row for row in rows.values() if row is not None]

    async def _count_newer(self, before: int) -> None:
        """A page that stands still says how many came since. Each is counted once."""
        behind = before - 1 if self._head is None else self._head
        head = (await self._ask(NOWHERE, None, 1))["head"]
        if head > behind:
            self.newer += await self._count(behind, head + 1)
        self._head = head

    async def _count(self, behind: int, before: int) -> int:
        found = await self._ask(self._shown(0, after=behind), before, 1)
        return int(found["count"])

    def _share(self) -> int:
        return next((n for n in SHARES if self.per_s <= n * MOST_PER_S), SHARES[-1])

    def _shown(self, every: int, after: int = 0) -> EventQuery:
        return msgspec.structs.replace(self.which, every=every, after=after)
