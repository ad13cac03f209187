"""Erasing people and groups, step by step. Each step is one transaction with its progress in it, so a crash between any two of them goes on with
the next one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from router.errors import StoreFull
from router.in_thread import in_thread
from router.store.regulation import Regulation, Step, Tool
from router.store.shards import WHOLE, Share
from router.store.sqlite import (
    deletions,
    forget_group_rows,
    forget_groups,
    forget_log,
    forget_rows,
    forget_texts,
    regulation_file,
    regulation_rows,
    scrub,
)
from router.store.sqlite.group_commit import Writer
from router.store.sqlite.reader import Reader

T = TypeVar("T")

TOO_LARGE = (
    "free pages of the store may still hold erased text, and it is too large to be rewritten while events arrive:"
    " stop the daemon and run `sqlite3 STORE VACUUM`"
)
NO_ROOM = (
    "free pages of the store may still hold erased text: its disk has no room to rewrite it; see docs/forgetting.md"
)
READ_ELSEWHERE = (
    "not finished: another process reads the store without a pause (Litestream, a sqlite3 shell?), so the WAL cannot be"
    " emptied and may still hold erased text: end it"
)

REST = 5
"""For so many times as long as a rewriting took no other one begins, so that demands one after the other stop the writer for a sixth of the
time at most."""


class _Said(NamedTuple):
    """What is said elsewhere of events, by their message ids."""

    told: list[tuple[int, bytes]]  #: in forwarded violations
    texts: list[forget_texts.Found]  #: of vendors, and of discards

    def erase(self, db: sqlite3.Connection, regulation: Regulation) -> None:
        """Take the message ids out of the violations, and empty the texts. Comes behind the events and their attempts."""
        forget_log.erase_told_of(db, self.told)
        regulation.count(texts=forget_texts.erase(db, self.texts))


class SqliteErasure:
    """Implements `ports.Erasure`."""

    def __init__(self, path: Path, writer: Writer, reader: Reader) -> None:
        """`reader`: for what may take long."""
        self._path, self._writer, self._reader, self._forgotten = path, writer, reader, writer.forgotten
        self._rewritten: dict[str, str] = {}  #: regulations for which the store was rewritten, and what is left to do
        self._not_before = 0.0  #: when it may be rewritten again
        self._held_up: set[str] = set()  #: regulations that found the store read by somebody

    async def resume(self) -> list[Regulation]:
        """Those that are not done, oldest first. Their people are read by nobody from here on."""
        under_way = await self._reader.run(regulation_rows.read_under_way)
        erasing = [one for one in under_way if one.step != Step.NOTE]
        for regulation in erasing:
            self._forgotten.begin(regulation)
        if erasing:
            await self._writer.run_alone(scrub.overwrite_from_now_on)
        return under_way

    async def left_behind(self) -> list[Regulation]:
        """No other process uses the file."""
        return []

    async def until_left_behind(self) -> None:
        """There will be none."""
        await asyncio.Event().wait()

    async def touches(self, destination: str, regulation: Regulation, share: Share = WHOLE) -> bool:
        """Whether the destination has any row of these people."""
        return await self._reader.run(forget_rows.touches, destination, regulation)

    async def erase_at(self, destination: str, regulation_id: str, share: Share = WHOLE) -> None:
        """Erase the rows of these people at a destination. To be called while none of its workers has anything of them."""
        now_ms, codes = self._writer.now_ms(), self._writer.transaction.codes
        found = await self._reader.run(_there, regulation_id)
        if found.groups:
            await self._forget_members(found)
            await self._erase_groups_at(destination, found)
        states = await self._reader.run(forget_rows.state_keys, destination, found)

        def slice_of(db: sqlite3.Connection) -> bool:
            regulation = _there(db, regulation_id)
            more = forget_rows.erase(db, destination, regulation, states, codes, now_ms)
            regulation_rows.write(db, regulation)
            return more

        while await self._writer.run_beside(slice_of):
            pass

    async def _forget_members(self, regulation: Regulation) -> None:
        """Note who belonged to the groups, then end that. Until none is left: an alias may have made another one of one that was."""
        while (found := await self._reader.run(forget_groups.find_members, regulation)).memberships:
            await self._go_on(regulation.id, partial(_note_members, found.keys))
            for first in range(0, len(found.memberships), forget_groups.SLICE):
                rows = found.memberships[first : first + forget_groups.SLICE]
                await self._go_on(regulation.id, partial(_erase_memberships, rows))

    async def _erase_groups_at(self, destination: str, regulation: Regulation) -> None:
        """What is found by what it says, not by whose it is."""
        now_ms, codes = self._writer.now_ms(), self._writer.transaction.codes
        for find, erase in (
            (forget_group_rows.find_parked, forget_group_rows.erase_parked),
            (forget_group_rows.find_letters, forget_group_rows.erase_letters),
        ):
            after: int | None = forget_group_rows.BEFORE_ALL
            while after is not None:
                found = await self._reader.run(find, destination, regulation, after)
                after = found.after
                if found.theirs or found.mapped:
                    await self._go_on(regulation.id, partial(erase, destination, found, codes, now_ms))

    async def erase_on(self, regulation_id: str) -> Regulation:
        """Take the next step, or the next slice of one. Returns how far it is. `Step.ROWS` must be done everywhere. Raises OSError
        where the file beside the store cannot be written."""
        regulation = await self._reader.run(_there, regulation_id)
        match regulation.step:
            case Step.ROWS:
                if regulation.groups:  # no destination may have a place
                    await self._forget_members(regulation)
                await in_thread(regulation_file.note, self._path, [regulation])
                return await self._go_on(regulation_id, _end_rows)
            case Step.LOG:
                return await self._erase_logged(regulation)
            case Step.KEPT:
                kept, upto = await self._reader.run(forget_log.find_kept, regulation)
                said = await self._said_of(kept)
                return await self._go_on(regulation_id, lambda db, one: _erase_kept(db, one, kept, said, upto))
            case Step.TEXTS:
                return await self._erase_texts(regulation)
            case Step.TOOLS:
                return await self._go_on(regulation_id, lambda db, one: _end_tools(one))
            case Step.NOTE:
                await in_thread(regulation_file.note, self._path, [regulation])
                return await self._go_on(regulation_id, self._finish)
            case Step.CLEAN:
                return await self._clean(regulation)
        return regulation

    async def _erase_logged(self, regulation: Regulation) -> Regulation:
        found, upto = await self._reader.run(forget_log.find_logged, regulation)
        said, dedupe, now_ms = await self._said_of(found), self._writer.transaction.dedupe, self._writer.now_ms()

        def work(db: sqlite3.Connection, one: Regulation) -> None:
            if found:
                erased = forget_log.erase_logged(db, found, dedupe, now_ms, with_groups=bool(one.groups))
                one.count(events=erased)
                said.erase(db, one)
            one.pos = upto
            if upto >= one.bound:
                _turn_to(one, Step.KEPT)

        return await self._go_on(regulation.id, work)

    async def _erase_texts(self, regulation: Regulation) -> Regulation:
        found = await self._reader.run(forget_texts.find, regulation.told_as)
        for first in range(0, len(found), forget_texts.SLICE):
            rows = found[first : first + forget_texts.SLICE]
            await self._go_on(regulation.id, partial(_erase_texts, rows))
        return await self._go_on(regulation.id, _end_texts)

    async def _said_of(self, positions: Sequence[int]) -> _Said:
        if not positions:
            return _Said([], [])
        told = await self._reader.run(forget_log.find_told_of, positions)
        return _Said(told, await self._reader.run(forget_texts.find_messages, positions))

    async def asked(self, destination: str, regulation_id: str) -> list[int]:
        """Where the deletions of a regulation stand that a destination was asked for, and that wait or failed."""
        return await self._reader.run(deletions.asked, destination, regulation_id)

    async def deletions(self, destination: str, positions: Sequence[int]) -> dict[int, tuple[str, str]]:
        """(state, reason) of each of the deletions that a destination was asked for, by position."""
        return await self._reader.run(deletions.states, destination, positions)

    async def drop_deletions(self, destination: str, positions: Sequence[int], share: Share = WHOLE) -> None:
        """Take back deletions that wait or failed."""
        now_ms, codes = self._writer.now_ms(), self._writer.transaction.codes
        await self._writer.run_beside(lambda db: forget_rows.erase_deletions(db, destination, positions, codes, now_ms))

    async def note_tool(self, regulation_id: str, destination: str, tool: Tool) -> Regulation:
        """How far a destination is with what it was asked to delete."""

        def work(db: sqlite3.Connection, one: Regulation) -> None:
            one.tools = {**one.tools, destination: tool}

        return await self._go_on(regulation_id, work)

    async def _clean(self, regulation: Regulation) -> Regulation:
        """The memory of the log, the WAL, the free pages. It is done when no file holds a word of the person. One rewriting does for all that
        are as far."""
        if regulation.id not in self._rewritten:
            if self._writer.clock.monotonic() < self._not_before:
                return regulation
            if not await self._rewrite():
                return await self._hold_up(regulation)
        if not await self._writer.run_alone(scrub.empty_wal):
            return await self._hold_up(regulation)
        note = self._rewritten[regulation.id]

        def finish(db: sqlite3.Connection, one: Regulation) -> None:
            one.note = note
            self._finish(db, one)

        self._held_up.discard(regulation.id)
        done = await self._go_on(regulation.id, finish)
        del self._rewritten[regulation.id]
        async with self._writer.set_up:  # a demand that begins would not be among the forgotten yet
            self._forgotten.end(regulation.id)
            if not self._forgotten:
                await self._writer.run_alone(scrub.overwrite_no_longer)
        return done

    async def _rewrite(self) -> bool:
        """Rewrite the store for all that wait for it. False: somebody reads an older snapshot."""
        clock = self._writer.clock
        waiting = [one.id for one in await self._reader.run(regulation_rows.read_under_way) if one.step == Step.CLEAN]
        self._writer.tail.clear()
        if not await self._writer.run_alone(scrub.empty_wal):
            return False
        began = clock.monotonic()
        try:
            async with self._writer.set_up:
                note = "" if await self._writer.run_alone(scrub.rewrite) else TOO_LARGE
        except StoreFull:
            note = NO_ROOM
        self._not_before = clock.monotonic() + REST * (clock.monotonic() - began)
        self._rewritten |= dict.fromkeys(waiting, note)
        return True

    async def _hold_up(self, regulation: Regulation) -> Regulation:
        """Somebody reads an older snapshot. Most do so for a moment; one that still does the next time is told of."""

        def tell(db: sqlite3.Connection, one: Regulation) -> None:
            one.note = READ_ELSEWHERE

        if regulation.id in self._held_up and regulation.note != READ_ELSEWHERE:
            return await self._go_on(regulation.id, tell)
        self._held_up.add(regulation.id)
        return regulation

    def _finish(self, db: sqlite3.Connection, regulation: Regulation) -> None:
        regulation.step, regulation.finished_at = Step.DONE, self._writer.now_ms()

    async def _go_on(self, regulation_id: str, work: Callable[[sqlite3.Connection, Regulation], None]) -> Regulation:
        """One transaction: some work, and the progress of its regulation."""

        def step(db: sqlite3.Connection) -> Regulation:
            regulation = _there(db, regulation_id)
            work(db, regulation)
            regulation_rows.write(db, regulation)
            return regulation

        return await self._writer.run_beside(step)


def _there(db: sqlite3.Connection, regulation_id: str) -> Regulation:
    regulation = regulation_rows.read_one(db, regulation_id)
    assert regulation is not None, "a regulation is never deleted"
    return regulation


def _turn_to(regulation: Regulation, step: Step) -> None:
    regulation.step = step


def _note_members(keys: list[str], db: sqlite3.Connection, regulation: Regulation) -> None:
    regulation_rows.add_members(db, regulation.id, keys)


def _erase_memberships(rows: Sequence[tuple[str, int]], db: sqlite3.Connection, regulation: Regulation) -> None:
    regulation.count(directory=forget_groups.erase_memberships(db, rows, regulation))


def _end_rows(db: sqlite3.Connection, regulation: Regulation) -> None:
    regulation_rows.drop_members(db, regulation.id)
    regulation.near = []
    _turn_to(regulation, Step.LOG)


def _erase_kept(
    db: sqlite3.Connection,
    regulation: Regulation,
    positions: Sequence[int],
    said: _Said,
    upto: int,
) -> None:
    if positions:
        regulation.count(events=forget_log.erase_kept(db, positions))
        said.erase(db, regulation)
    regulation.kept_pos = upto
    if upto >= regulation.bound:
        _turn_to(regulation, Step.TOOLS)


def _erase_texts(rows: Sequence[forget_texts.Found], db: sqlite3.Connection, regulation: Regulation) -> None:
    regulation.count(texts=forget_texts.erase(db, rows))


def _end_texts(db: sqlite3.Connection, regulation: Regulation) -> None:
    """Nothing is left to be found, so the record need not know any more who it was."""
    regulation.keys, regulation.near, regulation.names, regulation.people = [], [], [], []
    _turn_to(regulation, Step.CLEAN)


def _end_tools(regulation: Regulation) -> None:
    """Once every destination has done what it was asked, or will not do it."""
    if all(tool.status not in ("", "RUNNING") for tool in regulation.tools.values()):
        _turn_to(regulation, Step.TEXTS)
