"""Six builds of the router that are broken on purpose, each in a way that once was a plausible mistake. The simulation must tell
every one of them from the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

from router.decide.gate import Supplies
from router.deliver.book import Book
from router.deliver.lanes import Entry, Lane, Lanes
from router.errors import StoreError
from router.event import Call, Discard
from router.store import Facts, LaneRow
from router.store.writer import Writer


@contextmanager
def answers_before_commit() -> Iterator[None]:
    """Acceptance does not wait for the disk."""
    append = Writer.append

    async def at_once(
        self: Writer, calls: Sequence[Call], facts: Sequence[Facts | None], discards: Sequence[Discard]
    ) -> list[int]:
        async def store() -> None:
            with suppress(StoreError):
                await append(self, calls, facts, discards)

        asyncio.create_task(store())  # noqa: RUF006 - nobody waits for it: that is the fault
        return [1 for _ in calls]

    with patch.object(Writer, "append", at_once):
        yield


@contextmanager
def opens_the_gate_on_seeing_a_group() -> Iterator[None]:
    """A group call supplies as soon as the directory has it."""
    with patch.object(Supplies, "has", lambda self, pos, what: True):
        yield


@contextmanager
def forgets_a_parked_row() -> Iterator[None]:
    """Now and then a row that should be parked is not in the commit."""
    write_row, count = Book._write_row, 0

    def write(self: Book, entry: Entry, *words: Any) -> None:
        nonlocal count
        write_row(self, entry, *words)
        count += 1
        if count % 10 == 0:
            self._step.park.pop(entry.pos, None)

    with patch.object(Book, "_write_row", write):
        yield


@contextmanager
def commits_state_ahead_of_its_event() -> Iterator[None]:
    """What a hook did to keyed state goes into the next commit, wherever its event is by then."""
    chain = Book.chain

    def at_once(self: Book, entry: Entry, state_key: str, changes: list[Callable[[], None]]) -> None:
        for change in changes:
            change()
        chain(self, entry, state_key, [])

    with patch.object(Book, "chain", at_once):
        yield


@contextmanager
def looks_for_waiting_lanes_in_rows_only() -> Iterator[None]:
    """When a supply opens a need, lanes in memory are not asked."""

    def none(self: Lanes, need: str) -> list[Lane]:
        return []

    with patch.object(Lanes, "waiting_for", none):
        yield


@contextmanager
def deletes_a_lane_with_an_uncommitted_parked_row() -> Iterator[None]:
    """A lane that had one row left takes its lane row away with it, though another row is on its way."""
    image = Lane.image

    def forgetful(self: Lane) -> LaneRow | None:
        return None if self.stored and self.rows == 1 and self.waiting else image(self)

    with patch.object(Lane, "image", forgetful):
        yield


IMAGE, ROWS = "lanes are the image of parked rows", "counters equal the rows"
BUILDS: dict[str, tuple[Callable[[], Any], frozenset[str]]] = {
    build.__name__: (build, frozenset(invariants))
    for build, invariants in (
        (answers_before_commit, ("200 means stored",)),
        (opens_the_gate_on_seeing_a_group, ("no gate opens before its supply is settled",)),
        (forgets_a_parked_row, (IMAGE, ROWS)),
        (commits_state_ahead_of_its_event, ("state has each event once", "state holds nothing else")),
        (looks_for_waiting_lanes_in_rows_only, ("no gate is left shut",)),
        (deletes_a_lane_with_an_uncommitted_parked_row, (IMAGE,)),
    )
}
"""Each broken build, and the invariants that tell it."""
