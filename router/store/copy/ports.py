"""What a copy asks of the store that is read and of the one that is made. All of it raises CopyError."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from router.store.copy.tables import Table
from router.store.rows import LogRow

ROWS, BYTES = 1_000, 1_000_000
"""Of a slice: what is in memory at a time, and one transaction of the target. One row at least."""

Row = tuple[Any, ...]
"""The values of `Table.columns`."""


class Head(NamedTuple):
    """What a store has once."""

    pos: int  #: events accepted
    duplicates: int
    discarded: int
    clock: int  #: high-water mark of router time, ms
    hash_key: bytes  #: of message ids
    people_key: bytes  #: of the hashes of people
    made_at: int | None  #: ms
    notices: bytes | None  #: what the notifier has told


class Source(Protocol):
    """A store that nobody writes to."""

    async def head(self) -> Head:
        """What it has once."""
        ...

    def log(self, after: int = 0) -> AsyncIterator[Sequence[LogRow]]:
        """The events that the log has behind a position, in order, in slices; perhaps some at or before it."""
        ...

    def erased(self) -> AsyncIterator[Sequence[tuple[int, int, int]]]:
        """(hash of the message id, position, instant) of the events of the log whose person or group was forgotten."""
        ...

    def rows(self, table: Table) -> AsyncIterator[Sequence[Row]]:
        """The rows of a table, in the order of its key, in slices."""
        ...

    async def check_unused(self) -> None:
        """Raises CopyError where somebody has used it since it was opened."""
        ...


class Target(Protocol):
    """A store that is being made. Until `finish` has returned it says that it is not whole."""

    @property
    def has_shards(self) -> bool:
        """Whether its destinations may have several units."""
        ...

    async def begin(self, head: Head) -> None:
        """Comes first."""
        ...

    async def add_log(self, events: Sequence[LogRow]) -> None:
        """Behind those before. They end where a demand to forget ends, if there is one among them."""
        ...

    async def add_erased(self, erased: Sequence[tuple[int, int, int]]) -> None:
        """Behind the log."""
        ...

    async def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Rows of a table."""
        ...

    async def finish(self, head: Head, expected: Mapping[str, int]) -> None:
        """It is whole now. `expected`: how many rows each table has; of the log how many events. Raises CopyError where it has not."""
        ...


class Progress(Protocol):
    """Is told how far a copy is, and shows it."""

    def begin(self, what: str, size: int) -> None:
        """The next part of the work. `size`: its rows; 0 where nobody has counted them."""
        ...

    def at(self, done: int) -> None:
        """So many rows of this part are done."""
        ...


def next_slice(rows: Iterable[Row]) -> list[Row]:
    """As many rows as one slice has; none at the end."""
    taken: list[Row] = []
    size = 0
    for row in rows:
        taken.append(row)
        size += weight(row)
        if len(taken) >= ROWS or size >= BYTES:
            break
    return taken


def weight(row: Row) -> int:
    """About how many bytes a row has."""
    return sum(len(value) for value in row if isinstance(value, bytes | str))
