"""The tail of the log: its newest events, as they were accepted. A destination that keeps up reads them without a trip to the
disk, and all destinations share their bodies."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence

from router.event import Call
from router.store.rows import LogRow

TAIL_EVENTS, TAIL_BYTES = 5_000, 4_000_000
OPENED_EVENTS, OPENED_BYTES = 2_000, 4_000_000
"""Events that stay opened, and bytes of their bodies: as many as a destination has in its window."""

TOGETHER, TOGETHER_BYTES = 100, TAIL_BYTES // 16
"""Events of small appends that are kept together, and dropped together."""


class Appended:
    """The events of one append, at least one. Their rows are made when they are first read: where no destination keeps up, nobody
    reads them."""

    __slots__ = ("_calls", "_is_shared", "_positions", "_rows", "events", "first", "size")

    def __init__(self, calls: Sequence[Call], positions: Sequence[int], events: int, size: int) -> None:
        self.first, self.events, self.size = next(filter(None, positions)), events, size
        self._calls, self._positions = calls, positions
        self._rows: list[LogRow] | None = None
        self._is_shared = True

    @property
    def rows(self) -> Sequence[LogRow]:
        """One for each event, in their order."""
        if self._rows is None:
            self._rows = [
                LogRow(
                    pos, c.received_at, c.source, c.type, c.user_key, c.message_id, c.body, c.opened, None, c.fields, self._is_shared
                )
                for c, pos in zip(self._calls, self._positions, strict=True)
                if pos
            ]  # fmt: skip
            self._calls = self._positions = ()
        return self._rows

    def close(self) -> None:
        """Keep nothing of what was made of their bodies."""
        self._is_shared = False
        for call in self._calls:
            call.opened = call.fields = None
        for row in self._rows or ():
            row.is_shared = False
            row.opened = row.payload_item = row.fields = None


class LogCache:
    """Lives in the event loop; told of each append once it is durable. All readers share its rows."""

    def __init__(self) -> None:
        self._appends: deque[Appended] = deque()
        self._events = self._bytes = 0
        #: those that keep what was made of their bodies
        self._opened: deque[Appended] = deque()
        self._opened_events = self._opened_bytes = 0

    def add(self, calls: Sequence[Call], positions: Sequence[int], size: int) -> None:
        """These calls stand in the log now, at these ascending positions; 0: it does not, it came before."""
        events = len(positions) - positions.count(0)
        if not events:
            return
        appended = Appended(calls, positions, events, size)
        self._appends.append(appended)
        self._events += events
        self._bytes += size
        while self._events > TAIL_EVENTS or self._bytes > TAIL_BYTES:
            gone = self._appends.popleft()
            self._events -= gone.events
            self._bytes -= gone.size
        self._close_oldest(appended)

    def add_group(self, appends: Iterable[tuple[Sequence[Call], Sequence[int], int]]) -> None:
        """The same of appends that follow each other. Small ones become one: to keep, find and drop each alone takes 3 us an event."""
        calls: list[Call] = []
        positions: list[int] = []
        size = 0
        for more_calls, more_positions, more_size in appends:
            if calls and (len(calls) >= TOGETHER or size + more_size > TOGETHER_BYTES):
                self.add(calls, positions, size)
                calls, positions, size = [], [], 0
            calls += more_calls
            positions += more_positions
            size += more_size
        if calls:
            self.add(calls, positions, size)

    def _close_oldest(self, newest: Appended) -> None:
        """An opened event takes about six times its body: only the newest ones keep it."""
        self._opened.append(newest)
        self._opened_events += newest.events
        self._opened_bytes += newest.size
        while self._opened_events > OPENED_EVENTS or self._opened_bytes > OPENED_BYTES:
            oldest = self._opened.popleft()
            self._opened_events -= oldest.events
            self._opened_bytes -= oldest.size
            oldest.close()

    def clear(self) -> None:
        """Keep nothing of what was accepted by now: the disk is read for it."""
        self._appends.clear()
        self._opened.clear()
        self._events = self._bytes = self._opened_events = self._opened_bytes = 0

    def read(self, after: int, limit: int, max_bytes: int) -> list[LogRow] | None:
        """Events above a position, ascending, up to a count and about this many bytes; None: the disk knows more."""
        if not self._appends or self._appends[0].first > after + 1:
            return None
        index = bisect_right(self._appends, after + 1, key=lambda appended: appended.first) - 1
        found: list[LogRow] = []
        for appended in itertools.islice(self._appends, index, None):
            begin = max(0, after + 1 - appended.first)
            if not begin and appended.events < limit - len(found) and appended.size < max_bytes:
                found += appended.rows
                max_bytes -= appended.size
                continue
            for row in appended.rows[begin:]:
                found.append(row)
                max_bytes -= len(row.body)
                if len(found) >= limit or max_bytes <= 0:
                    return found
        return found
