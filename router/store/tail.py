"""The tail of the log: its newest events, as they were accepted. A destination that keeps up reads them without a trip to the
disk, and all destinations share their bodies."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence

from router.event import Call
from router.store import LogRow

TAIL_EVENTS, TAIL_BYTES = 5_000, 4_000_000


class Tail:
    """Lives in the event loop; told of each append once it is durable."""

    def __init__(self) -> None:
        #: first position, the calls that stand from there on, their bytes
        self._groups: deque[tuple[int, Sequence[Call], int]] = deque()
        self._events = self._bytes = 0

    def add(self, calls: Sequence[Call], positions: Sequence[int], size: int) -> None:
        """These calls stand in the log now, at these ascending positions; 0: it does not, it came before."""
        if not all(positions):
            placed = [(call, pos) for call, pos in zip(calls, positions, strict=True) if pos]
            if not placed:
                return
            calls, positions = [call for call, _ in placed], [pos for _, pos in placed]
        if not positions:
            return
        self._groups.append((positions[0], calls, size))
        self._events += len(calls)
        self._bytes += size
        while self._events > TAIL_EVENTS or self._bytes > TAIL_BYTES:
            _, gone, gone_bytes = self._groups.popleft()
            self._events -= len(gone)
            self._bytes -= gone_bytes

    def read(self, after: int, limit: int, max_bytes: int) -> list[LogRow] | None:
        """Events above a position, ascending, up to a count and about this many bytes; None: the disk knows more."""
        if not self._groups or self._groups[0][0] > after + 1:
            return None
        index = bisect_right(self._groups, after + 1, key=lambda group: group[0]) - 1
        rows: list[LogRow] = []
        for first, calls, _ in itertools.islice(self._groups, index, None):
            for pos in range(max(first, after + 1), first + len(calls)):
                c = calls[pos - first]
                rows.append(LogRow(pos, c.received_at, c.source, c.type, c.user_key, c.message_id, c.body))
                max_bytes -= len(c.body)
                if len(rows) >= limit or max_bytes <= 0:
                    return rows
        return rows
