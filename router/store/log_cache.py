"""The tail of the log: its newest events, as they were accepted. A destination that keeps up reads them without a trip to the
disk, and all destinations share their bodies."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence

from router.event import Call
from router.store.rows import LogRow

TAIL_EVENTS, TAIL_BYTES = 5_000, 4_000_000
OPENED_EVENTS = 2_000
"""Events that stay opened: as many as a destination has in its window."""


class LogCache:
    """Lives in the event loop; told of each append once it is durable. All readers share its rows."""

    def __init__(self) -> None:
        #: first position, the rows that stand from there on, bytes of their bodies
        self._groups: deque[tuple[int, Sequence[LogRow], int]] = deque()
        self._events = self._bytes = 0
        self._opened: deque[Sequence[LogRow]] = deque()  #: groups that keep what was made of their bodies
        self._opened_events = 0

    def add(self, calls: Sequence[Call], positions: Sequence[int], size: int) -> None:
        """These calls stand in the log now, at these ascending positions; 0: it does not, it came before."""
        rows = [
            LogRow(pos, c.received_at, c.source, c.type, c.user_key, c.message_id, c.body, c.opened)
            for c, pos in zip(calls, positions, strict=True)
            if pos
        ]
        if not rows:
            return
        self._groups.append((rows[0].pos, rows, size))
        self._events += len(rows)
        self._bytes += size
        while self._events > TAIL_EVENTS or self._bytes > TAIL_BYTES:
            _, gone, gone_bytes = self._groups.popleft()
            self._events -= len(gone)
            self._bytes -= gone_bytes
        self._close_oldest(rows)

    def _close_oldest(self, rows: Sequence[LogRow]) -> None:
        """An opened event takes about six times its body: only the newest ones keep it."""
        self._opened.append(rows)
        self._opened_events += len(rows)
        while self._opened_events > OPENED_EVENTS:
            oldest = self._opened.popleft()
            self._opened_events -= len(oldest)
            for row in oldest:
                row.opened = row.payload_json = row.fields = None

    def clear(self) -> None:
        """Keep nothing of what was accepted by now: the disk is read for it."""
        self._groups.clear()
        self._opened.clear()
        self._events = self._bytes = self._opened_events = 0

    def read(self, after: int, limit: int, max_bytes: int) -> list[LogRow] | None:
        """Events above a position, ascending, up to a count and about this many bytes; None: the disk knows more."""
        if not self._groups or self._groups[0][0] > after + 1:
            return None
        index = bisect_right(self._groups, after + 1, key=lambda group: group[0]) - 1
        found: list[LogRow] = []
        for first, rows, _ in itertools.islice(self._groups, index, None):
            for row in rows[max(0, after + 1 - first) :]:
                found.append(row)
                max_bytes -= len(row.body)
                if len(found) >= limit or max_bytes <= 0:
                    return found
        return found
