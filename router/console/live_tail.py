"""The newest events of one kind, kept in memory while pages show them: each look asks the store for what is new, for the states of those
that were not settled yet, and for those that were read some time ago."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from router.clock import to_iso
from router.console.live_rate import MOST_PER_S, SLACK, Rate, share_of
from router.console.live_rows import Row, Rows, is_fresh
from router.store import EventAsk, EventQuery

MOST_ROWS = 200
"""Rows of a page."""

MOST_SAMPLED = 100
"""The same where one in so many is shown: half of them are replaced in a second or two."""

OF_AN_EVENT, OF_A_ROW = 1_000, 2_500
"""Characters: of an event in memory, and of a row whose HTML is not known yet."""

NOWHERE = EventQuery(every=0, after=1 << 62)
"""Asks for the newest position only."""

Ask = Callable[[Sequence[EventAsk]], Awaitable[list[dict[str, Any]]]]
"""Asks the store, all at once: to ask costs the event loop more than what it is asked."""


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

    @property
    def may_take_long(self) -> bool:
        """Whether its next look may go far back in the log."""
        which = self.which
        is_narrow = any((which.user_key, which.group_id, which.type, which.name, which.source))
        return which.asks_states or (self._head is None and is_narrow)

    async def look(self) -> None:
        """Ask for what is new."""
        if self.which.asks_states:
            await self._search()
        elif self._head is None:
            await self._begin()
        elif self.before is None:
            await self._go_on(self._head)
        else:
            await self._stand_still(self.before)
        if self.which.since:
            since = to_iso(self.which.since)
            self.rows = [row for row in self.rows if row.at >= since]
        self.seen_ms = self._now_ms()

    async def _search(self) -> None:
        """Events get into a state, and out of it, wherever they stand: all of them are asked for again."""
        asks = [EventAsk(self.which, self.before, self._most)]
        if self.before is not None:
            asks.append(self._ask_newer(self.before))
        found, *newer = await self._ask(asks)
        self.rows = self._rows_of(found, {})
        self.next, self.searched_to = found["next"], found["searched_to"]
        self._note_newer(*newer)

    async def _begin(self) -> None:
        """The first look. Where its 200 events are a few seconds old, they come too quickly to be read."""
        known = self._known(0)
        asks = [self._ask_for(known, self.every, 0, self.before)]
        if self.before is not None:
            asks.append(self._ask_newer(self.before))
        found, *newer = await self._ask(asks)
        self.rows = self._rows_of(found, known)
        self.next, self.searched_to = found["next"], found["searched_to"]
        if self.before is not None:
            self._note_newer(*newer)
            return
        self._head = found["head"]
        if self.every == 1 and self.rows:
            self._rate = Rate()
            self._rate.note(self.rows[-1].at_ms, 0)
            self._rate.note(self._now_ms(), len(self.rows))
            if len(self.rows) == self._most and (share := share_of(self.per_s)) > 1:
                self.every = share
                await self._begin()
        elif not self.rows:
            self._rate.note(self._now_ms(), 0)  # so the next look knows how quickly they come
        else:
            oldest = self.rows[-1].position - 1
            self._came = deque([(oldest, await self._count(oldest, found["head"] + 1))])

    async def _go_on(self, head: int) -> None:
        """What came since, and what has become of the rest."""
        known, rows = self._known(head), self._still_good()
        count = [EventAsk(self._shown(0, head), None, 1)] if self.every > 1 else []
        found, *more = await self._ask([self._ask_for(known, self.every, head, None), *count, *_ask_again(rows)])
        fresh, self._head = self._rows_of(found, known), found["head"]
        self.rows = self._again(rows, more[len(count) :])
        if count:
            n = int(more[0]["count"])
        else:  # what was found is all there is, unless it is very much
            n = len(fresh) if len(fresh) < self._most else await self._count(head, found["head"] + 1)
        self._rate.note(self._now_ms(), n)
        self._keep([*fresh, *self.rows])
        self._came.append((head, n))
        while len(self._came) > 1 and self.rows and self._came[1][0] < self.rows[-1].position:
            self._came.popleft()
        share = share_of(self.per_s)
        if share != self.every and not self.every * MOST_PER_S / 3 < self.per_s <= self.every * MOST_PER_S * SLACK:
            self.every = share
            await self._begin()

    async def _stand_still(self, before: int) -> None:
        """What has become of the rows, and how many came since."""
        rows = self._still_good()
        newer, *more = await self._ask([self._ask_newer(before), *_ask_again(rows)])
        self.rows = self._again(rows, more)
        self._note_newer(newer)

    def _keep(self, rows: list[Row]) -> None:
        """These rows, as far as there is room: older ones are behind the last of them."""
        self.rows = rows[: self._most]
        if len(rows) > self._most:
            self.next = self.rows[-1].position

    def _known(self, after: int) -> dict[int, Row]:
        """What another tail has just read is not looked up again."""
        return self._shared.fresh(after, self._now_ms())

    def _ask_for(self, known: Mapping[int, Row], every: int, after: int, before: int | None) -> EventAsk:
        which = msgspec.structs.replace(self._shown(every, after), known=frozenset(known))
        return EventAsk(which, before, self._most)

    def _rows_of(self, found: Mapping[str, Any], known: Mapping[int, Row]) -> list[Row]:
        now_ms = self._now_ms()
        return [known.get(event["position"]) or self._shared.of_event(event, now_ms) for event in found["items"]]

    def _still_good(self) -> dict[int, Row | None]:
        """The rows by position; None: it has to be asked for again."""
        now_ms = self._now_ms()
        return {
            row.position: row if is_fresh(row, now_ms) else self._shared.fresh_at(row.position, now_ms)
            for row in self.rows
        }

    def _again(self, rows: Mapping[int, Row | None], found: Sequence[Mapping[str, Any]]) -> list[Row]:
        """The rows as they are now. Without those of events that the store no longer has."""
        told = {row.position: row for one in found for row in self._rows_of(one, {})}
        return [now for pos, row in rows.items() if (now := row or told.get(pos)) is not None]

    def _ask_newer(self, before: int) -> EventAsk:
        """A page that stands still says how many came since. Each is counted once."""
        return EventAsk(self._shown(0, before - 1 if self._head is None else self._head), None, 1)

    def _note_newer(self, *found: Mapping[str, Any]) -> None:
        for one in found:
            self.newer += int(one["count"])
            self._head = one["head"]

    async def _count(self, behind: int, before: int) -> int:
        [found] = await self._ask([EventAsk(self._shown(0, behind), before, 1)])
        return int(found["count"])

    def _shown(self, every: int, after: int) -> EventQuery:
        return msgspec.structs.replace(self.which, every=every, after=after)


def _ask_again(rows: Mapping[int, Row | None]) -> list[EventAsk]:
    """For those that are not good any more; none where all are."""
    left = tuple(pos for pos, row in rows.items() if row is None)
    return [EventAsk(EventQuery(at=left, after=min(left) - 1), max(left) + 1, MOST_ROWS)] if left else []
