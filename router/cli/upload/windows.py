"""Calls to windows of batches, each batch below the daemon's limits, and the bad lines between the calls.

Calls that `read_call` does not know to be good are judged here by ingestion's own rules, a whole batch at a time; only where one is bad each
is looked at alone.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from router.cli.endpoint import Failed
from router.cli.upload.json_lines import BadLine, Record
from router.cli.upload.user_order import CONNECTIONS, Spread, ids_of
from router.errors import InvalidCall
from router.ingest.limits import MAX_BATCH_ITEMS, MAX_ITEM_BYTES
from router.ingest.parse import parse_batch

BATCH_BYTES = 500_000
"""Below ingestion's limit of 600 KiB, and as the client libraries."""

WINDOW_LINES = 50_000
"""A window ends here also where most lines are blank or bad, so that memory stays bounded."""


class Position(NamedTuple):
    """A place in the input: what is before it, in lines, bytes and a hash."""

    line: int
    offset: int
    digest: str


class Reader:
    """Where in the input the windows are."""

    def __init__(self) -> None:
        self._line = self._offset = 0
        self._hash = hashlib.blake2b(digest_size=16)

    def advance(self, raw: bytes) -> None:
        """Count these bytes, which are whole lines."""
        self._line += raw.count(b"\n") + (not raw.endswith(b"\n") and bool(raw))
        self._offset += len(raw)
        self._hash.update(raw)

    def position(self) -> Position:
        """Where it is."""
        return Position(self._line, self._offset, self._hash.hexdigest())


class Window(NamedTuple):
    """Batches that are sent at the same time, and the lines that are done with when all of them are acknowledged."""

    bodies: list[bytes]  #: one for each connection that has something to send
    calls: int
    bad: list[tuple[BadLine, bytes]]  #: the bad lines before `end`, each with its bytes
    end: Position


class BadInput(Failed):
    """A line is bad, and nothing from there on may be sent."""

    def __init__(self, line: BadLine) -> None:
        super().__init__(str(line))


def windows(
    records: Iterable[Record], reader: Reader, skip_bad: bool, most_calls: int | None = None
) -> Iterator[Window]:
    """Cut the records into windows.

    Args:
        reader: where the first record begins.
        skip_bad: go on behind a bad line.
        most_calls: in a window.

    Raises:
        BadInput: a line is bad, unless skip_bad. What is before it has come by then.
        Failed: the input cannot be read any further. The same.
    """
    source = _Stoppable(records)
    left: Record | None = None  # the record that did not fit
    while True:
        gathering = _Gathering(most_calls)
        for record in source if left is None else itertools.chain([left], source):
            left = None
            if not gathering.take(record):
                left = record
                break
            if gathering.is_full:
                break
        if gathering.taken:
            yield from gathering.close(reader, skip_bad)
        elif left is None:
            break
    if source.broken:
        raise source.broken


class _Stoppable:
    """An iterator that ends where the input cannot be read any further, and keeps the reason."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = iter(records)
        self.broken: Failed | None = None

    def __iter__(self) -> _Stoppable:
        return self

    def __next__(self) -> Record:
        if self.broken:
            raise StopIteration
        try:
            return next(self._records)
        except Failed as error:
            self.broken = error
            raise StopIteration from None


class _Gathering:
    """The window that is being made. There is always room for one more call of the largest size."""

    def __init__(self, most_calls: int | None) -> None:
        self.taken: list[tuple[Record, int]] = []  #: each with its connection
        self.is_full = False  #: the window must end here
        self._spread = Spread()
        self._calls: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]  #: of each connection
        self._odd: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]  #: those of them that are still to be judged
        self._has_bad = False
        self._room_calls = most_calls or CONNECTIONS * MAX_BATCH_ITEMS
        self._room_bytes = 2 * BATCH_BYTES * CONNECTIONS

    def take(self, record: Record) -> bool:
        """Take a record. False: it must wait for what was taken before."""
        call, place = record.call, 0
        if isinstance(call, BadLine):
            self._has_bad = True
        elif call:
            found = self._spread.place(ids_of(call) if record.ids is None else record.ids, len(call))
            if found is None:
                return False
            place = found
            self._put(call, place, is_odd=record.ids is None)
        self._room_bytes -= len(record.raw)
        self.taken.append((record, place))
        self.is_full |= self._room_bytes <= 0 or len(self.taken) >= WINDOW_LINES
        return True

    def _put(self, call: bytes, place: int, *, is_odd: bool) -> None:
        spread = self._spread
        self._calls[place].append(call)
        if is_odd:
            self._odd[place].append(call)
            self._has_bad |= len(call) > MAX_ITEM_BYTES
        self._room_calls -= 1
        self.is_full |= (
            self._room_calls <= 0
            or spread.calls[place] >= MAX_BATCH_ITEMS
            or spread.size[place] >= BATCH_BYTES - MAX_ITEM_BYTES
        )

    def close(self, reader: Reader, skip_bad: bool) -> Iterator[Window]:
        """The window. Raises BadInput behind it."""
        if not self._is_any_bad():
            yield _window(self.taken, self._calls, [], reader)
            return
        judged = [(record if record.ids else _judged(record), place) for record, place in self.taken]
        bad = [(record.call, record.raw) for record, _ in judged if isinstance(record.call, BadLine)]
        if skip_bad or not bad:
            yield _window(judged, _by_connection(judged), bad, reader)
            return
        good = list(itertools.takewhile(lambda one: not isinstance(one[0].call, BadLine), judged))
        if good:
            yield _window(good, _by_connection(good), [], reader)
        raise BadInput(bad[0][0])

    def _is_any_bad(self) -> bool:
        """Whether one of them is bad, as ingestion sees it."""
        if self._has_bad:
            return True
        try:
            return any(parse_batch(_body(calls)).calls("", 0, None)[1] for calls in self._odd if calls)
        except InvalidCall:
            return True


def _window(
    taken: list[tuple[Record, int]], calls: list[list[bytes]], bad: list[tuple[BadLine, bytes]], reader: Reader
) -> Window:
    reader.advance(b"".join([record.raw for record, _ in taken]))
    return Window([_body(own) for own in calls if own], sum(map(len, calls)), bad, reader.position())


def _by_connection(taken: Iterable[tuple[Record, int]]) -> list[list[bytes]]:
    """The calls of each connection."""
    calls: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]
    for record, place in taken:
        if record.call and isinstance(record.call, bytes):
            calls[place].append(record.call)
    return calls


def _body(calls: list[bytes]) -> bytes:
    return b'{"batch":[' + b",".join(calls) + b"]}"


def _judged(record: Record) -> Record:
    """The same with a call that ingestion takes, or why it would discard it."""
    if isinstance(record.call, BadLine) or not record.call:
        return record
    try:
        _, discards = parse_batch(_body([record.call])).calls("", 0, None)
    except InvalidCall as refusal:
        return record._replace(call=BadLine(record.number, "", str(refusal)))
    return record._replace(call=BadLine(record.number, "", discards[0].message)) if discards else record
