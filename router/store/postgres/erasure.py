"""Erasing people and groups, step by step. Each step is one transaction with its progress in it, so a crash between any two of them goes on with
the next one. What is to be erased is found beside it. A step whose answer was lost is taken again: what it has erased is not found again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from router.errors import CommandRefused
from router.store.postgres import (
    deletions,
    forget_group_rows,
    forget_groups,
    forget_log,
    forget_rows,
    forget_texts,
    idle_unit,
    regulation_rows,
    violation_rows,
)
from router.store.postgres.append_queue import AppendQueue
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection, Database, Work, refusal, snapshot
from router.store.postgres.forget_rows import BEFORE_ALL
from router.store.postgres.idle_unit import IdleUnit
from router.store.postgres.outcome_codes import OutcomeCodes
from router.store.postgres.scope import Scope
from router.store.regulation import Regulation, Step, Tool
from router.store.shards import WHOLE, Share
from router.vocabulary import FORGOTTEN, EventState

T = TypeVar("T")

ERASED_FROM = (
    "block", "kept", "violation", "consent", "parked", "dead", "woken", "attempt", "discard", "person", "company", "membership", "link", "lane", "supply",
    "opening", "state", "timer", "unit", "regulation", "member", "command",
)  # fmt: skip
"""Tables of which rows were erased or rewritten."""
LEFT_BEHIND_S = 1.0
"""Between two looks for regulations whose process has ended."""
NOT_VACUUMED = "dead rows of the database may still hold erased text, as it could not be vacuumed: run VACUUM in it; see docs/forgetting.md"


class PostgresErasure:
    """Implements `ports.Erasure`."""

    def __init__(self, database: Database, queue: AppendQueue, blocks: Blocks, me: UUID, *, is_alone: bool) -> None:
        """`me`: this process. `is_alone`: nobody else uses the database."""
        self._database, self._queue, self._blocks, self._me, self._is_alone = database, queue, blocks, me, is_alone
        self._forgotten, self._now_ms = blocks.forgotten, queue.clock.now_ms
        self._codes = OutcomeCodes()

    async def resume(self) -> list[Regulation]:
        """Those that this process is to carry out, oldest first. The people of all that are under way are read by nobody from here on."""
        for regulation in await self._database.ask(regulation_rows.under_way):
            if regulation.step != Step.NOTE:
                self._forgotten.begin(regulation)
        await self.left_behind()
        return await self._database.ask(regulation_rows.under_way, self._me)

    async def left_behind(self) -> list[Regulation]:
        """Those whose process gives no signs of life any more, oldest first: this one carries them out from now on."""
        return await self._write(regulation_rows.adopt, self._me)

    async def until_left_behind(self) -> None:
        """Return when there may be some."""
        await self._queue.clock.sleep(LEFT_BEHIND_S)

    async def touches(self, destination: str, regulation: Regulation, share: Share = WHOLE) -> bool:
        """Whether the destination has any row of these people."""
        return await self._read(forget_rows.touches, self._blocks, Scope(destination, share), regulation)

    async def erase_at(self, destination: str, regulation_id: str, share: Share = WHOLE) -> None:
        """Erase the rows of these people at a destination. To be called while none of its workers has anything of them. A destination that has
        nothing of theirs is left as it is. Raises CommandRefused `elsewhere` where another process has it."""
        scope = Scope(destination, share)
        await self._read(idle_unit.check, scope, self._me, is_alone=self._is_alone)
        found = await self._read(regulation_rows.there, regulation_id)
        if found.is_under_way:
            self._forgotten.begin(found)
        if found.groups:
            await self._forget_members(found)
        if await self._read(forget_rows.touches, self._blocks, scope, found) or found.groups:
            async with self._taken(scope) as unit:
                await self._erase_at(unit, found)

    @asynccontextmanager
    async def _taken(self, scope: Scope) -> AsyncIterator[IdleUnit]:
        unit = await self._write(idle_unit.take, scope, self._me, is_alone=self._is_alone)
        try:
            yield unit
        finally:
            await self._write(unit.give_back)

    async def _erase_at(self, unit: IdleUnit, found: Regulation) -> None:
        code = await self._code()
        if found.groups:
            await self._erase_groups_at(unit, found, code)
        for sql, name, erase in (
            (forget_rows.PARKED, "waiting", forget_rows.erase_parked),
            (forget_rows.DEAD, "dead", forget_rows.erase_letters),
        ):
            after: int | None = BEFORE_ALL
            while after is not None:
                rows, after = await self._read(forget_rows.find, self._blocks, unit.scope, found, sql, after)
                if rows:
                    await self._go_on_at(unit, found.id, _erase_rows, name, erase, rows, code, self._now_ms())
        states = await self._read(forget_rows.state_keys, unit.destination, found)
        await self._go_on_at(unit, found.id, _erase_rest, states, self._now_ms())

    async def _forget_members(self, regulation: Regulation) -> None:
        """Note who belonged to the groups, then end that. Until none is left: an alias may have made another one of one that was."""
        while (found := await self._read(forget_groups.find_members, regulation)).memberships:
            await self._go_on_for(regulation.id, _note_members, found.keys)
            for first in range(0, len(found.memberships), forget_groups.SLICE):
                await self._go_on_for(
                    regulation.id, _erase_memberships, found.memberships[first : first + forget_groups.SLICE]
                )

    async def _erase_groups_at(self, unit: IdleUnit, regulation: Regulation, code: int) -> None:
        """What is found by what it says, not by whose it is."""
        for sql, erase in (
            (forget_group_rows.PARKED, forget_group_rows.erase_parked),
            (forget_group_rows.LETTERS, forget_group_rows.erase_letters),
        ):
            after: int | None = BEFORE_ALL
            while after is not None:
                found = await self._read(forget_group_rows.find, self._blocks, unit.scope, regulation, sql, after)
                after = found.after
                if found.theirs or found.mapped:
                    await self._go_on_at(unit, regulation.id, _erase_group_rows, erase, found, code, self._now_ms())

    async def erase_on(self, regulation_id: str) -> Regulation:
        """Take the next step, or the next slice of one. Returns how far it is. `Step.ROWS` must be done everywhere."""
        regulation = await self._read(regulation_rows.there, regulation_id)
        match regulation.step:
            case Step.ROWS:
                if regulation.groups:  # no destination may have a place
                    await self._forget_members(regulation)
                return await self._go_on(regulation_id, _end_rows)
            case Step.LOG:
                return await self._erase_logged(regulation)
            case Step.KEPT:
                kept, ids, upto = await self._read(forget_log.find_kept, regulation)
                return await self._go_on(regulation_id, _erase_kept, kept, ids, await self._texts_of(ids), upto)
            case Step.TOOLS:
                return await self._go_on(regulation_id, _end_tools)
            case Step.TEXTS:
                found = await self._read(forget_texts.find, regulation.told_as)
                return await self._go_on(regulation_id, _erase_texts, found)
            case Step.CLEAN:
                return await self._clean(regulation)
            case Step.NOTE:
                return await self._go_on(regulation_id, _finish, self._now_ms(), "")
        return regulation

    async def _erase_logged(self, regulation: Regulation) -> Regulation:
        found = await self._read(forget_log.find_logged, regulation)
        told = await self._read(forget_log.find_told_of, regulation.pos, found.upto, found.ids)
        blocks = sorted({*found.firsts, *told})
        done = await self._go_on(regulation.id, _erase_logged, blocks, found, await self._texts_of(found.ids))
        if blocks:
            self._forget_what_is_in_memory()
        return done

    async def _texts_of(self, ids: Collection[str]) -> forget_texts.Found:
        """Texts that name one of these messages."""
        return await self._read(forget_texts.find, [f"m:{one}" for one in ids]) if ids else {}

    def _forget_what_is_in_memory(self) -> None:
        self._queue.tail.clear()
        self._blocks.clear()

    async def asked(self, destination: str, regulation_id: str) -> list[int]:
        """Where the deletions of a regulation stand that a destination was asked for, and that wait or failed."""
        return await self._read(deletions.asked, destination, regulation_id)

    async def deletions(self, destination: str, positions: Sequence[int]) -> dict[int, tuple[str, str]]:
        """(state, reason) of each of the deletions that a destination was asked for, by position."""
        return await self._read(deletions.states, destination, positions)

    async def drop_deletions(self, destination: str, positions: Sequence[int], share: Share = WHOLE) -> None:
        """Take back deletions that wait or failed."""
        code = await self._code()
        async with self._taken(Scope(destination, share)) as unit:
            await self._write(_erase_deletions, unit, positions, code, self._now_ms())

    async def note_tool(self, regulation_id: str, destination: str, tool: Tool) -> Regulation:
        """How far a destination is with what it was asked to delete."""
        return await self._go_on(regulation_id, _note_tool, destination, tool)

    async def _clean(self, regulation: Regulation) -> Regulation:
        """The memory of the log, and dead rows. The first regulation row that names them is one, so its record is finished before."""
        self._forget_what_is_in_memory()
        note = "" if await self._vacuum() else NOT_VACUUMED
        done = await self._go_on(regulation.id, _finish, self._now_ms(), note)
        self._forgotten.end(regulation.id)
        return done

    async def _vacuum(self) -> bool:
        """Let the database reuse the room of dead rows. False: it did not get to it."""
        try:
            async with self._database.worker() as connection:
                await connection.execute(f"VACUUM {', '.join(ERASED_FROM)}")
        except asyncpg.PostgresError:
            return False
        return True

    # ------------------------------------------------------------ how it reads and writes

    async def _code(self) -> int:
        outcome = (str(EventState.DEAD), FORGOTTEN)
        codes = await self._database.see_through(self._database.read(_for_ever, self._codes.of, [outcome]))
        return codes[outcome]

    async def _read(self, work: Work[T], *args: Any, **more: Any) -> T:
        """Beside what is written, in one snapshot. Raises StoreError while the database is away."""
        try:
            async with self._database.worker() as connection, snapshot(connection):
                return await work(connection, *args, **more)
        except CommandRefused:
            raise
        except Exception as error:
            raise refusal(error) from error

    async def _go_on(self, regulation_id: str, work: Callable[..., Awaitable[None]], *args: Any) -> Regulation:
        """One transaction of the process that carries the regulation out: some work, and its progress. Raises RegulationLost."""
        return await self._write(_step, regulation_id, self._me, work, *args)

    async def _go_on_for(self, regulation_id: str, work: Callable[..., Awaitable[None]], *args: Any) -> Regulation:
        """The same for whichever process carries it out."""
        return await self._write(_step, regulation_id, None, work, *args)

    async def _go_on_at(
        self, unit: IdleUnit, regulation_id: str, work: Callable[..., Awaitable[None]], *args: Any
    ) -> None:
        """The same of the process that has a destination. Raises CommandRefused `elsewhere`."""

        async def at_unit(connection: Connection, regulation: Regulation) -> None:
            await unit.hold(connection)
            await work(connection, regulation, unit.scope, *args)

        await self._go_on_for(regulation_id, at_unit)

    async def _write(self, work: Work[T], *args: Any, **more: Any) -> T:
        """One transaction, which is never given up. Raises StoreError where it was not taken, or nobody knows: it can be taken again."""

        async def write() -> T:
            async with self._database.worker() as connection, connection.transaction():
                return await work(connection, *args, **more)

        try:
            return await self._database.see_through(write())
        except CommandRefused:
            raise
        except Exception as error:
            raise refusal(error) from error


async def _step(
    connection: Connection, regulation_id: str, owner: UUID | None, work: Callable[..., Awaitable[None]], *args: Any
) -> Regulation:
    regulation = await regulation_rows.locked(connection, regulation_id, owner)
    await work(connection, regulation, *args)
    await regulation_rows.write(connection, regulation)
    return regulation


def _for_ever() -> None:
    """The number of an outcome is waited for."""


# ---------------------------------------------------------------- the work of steps


async def _erase_rows(
    connection: Connection,
    regulation: Regulation,
    scope: Scope,
    name: str,
    erase: Callable[..., Awaitable[int]],
    rows: Sequence[forget_rows.Row],
    code: int,
    now_ms: int,
) -> None:
    regulation.count(**{name: await erase(connection, scope, rows, code, now_ms)})


async def _erase_rest(
    connection: Connection, regulation: Regulation, scope: Scope, states: Sequence[str], now_ms: int
) -> None:
    await forget_rows.erase_rest(connection, scope, regulation, states, now_ms)


async def _erase_group_rows(
    connection: Connection,
    regulation: Regulation,
    scope: Scope,
    erase: Callable[..., Awaitable[None]],
    found: forget_group_rows.Found,
    code: int,
    now_ms: int,
) -> None:
    await erase(connection, scope, regulation, found, code, now_ms)


async def _erase_deletions(
    connection: Connection, unit: IdleUnit, positions: Sequence[int], code: int, now_ms: int
) -> None:
    await unit.hold(connection)
    await forget_rows.erase_deletions(connection, unit.scope, positions, code, now_ms)


async def _note_members(connection: Connection, regulation: Regulation, keys: list[str]) -> None:
    await regulation_rows.add_members(connection, regulation.id, keys)


async def _erase_memberships(connection: Connection, regulation: Regulation, rows: Sequence[tuple[str, int]]) -> None:
    regulation.count(directory=await forget_groups.erase_memberships(connection, rows, regulation))


async def _end_rows(connection: Connection, regulation: Regulation) -> None:
    await regulation_rows.drop_members(connection, regulation.id)
    regulation.near = []
    regulation.step = Step.LOG


async def _erase_logged(
    connection: Connection,
    regulation: Regulation,
    blocks: Sequence[int],
    found: forget_log.Found,
    texts: forget_texts.Found,
) -> None:
    for first in blocks:
        regulation.count(events=await forget_log.rewrite(connection, first, regulation, found.ids))
    await forget_log.erase_told_of_kept(connection, found.ids)
    await violation_rows.forget_ids(connection, found.ids)
    regulation.count(texts=await forget_texts.erase(connection, texts))
    regulation.pos = found.upto
    if found.upto >= regulation.bound:
        regulation.step = Step.KEPT


async def _erase_kept(
    connection: Connection,
    regulation: Regulation,
    positions: Sequence[int],
    ids: frozenset[str],
    texts: forget_texts.Found,
    upto: int,
) -> None:
    if positions:
        await forget_log.erase_told_of_kept(connection, ids)
        await violation_rows.forget_ids(connection, ids)
        regulation.count(events=await forget_log.erase_kept(connection, positions))
        regulation.count(texts=await forget_texts.erase(connection, texts))
    regulation.kept_pos = upto
    if upto >= regulation.bound:
        regulation.step = Step.TOOLS


async def _end_tools(connection: Connection, regulation: Regulation) -> None:
    """Once every destination has done what it was asked, or will not do it."""
    if all(tool.status not in ("", "RUNNING") for tool in regulation.tools.values()):
        regulation.step = Step.TEXTS


async def _erase_texts(connection: Connection, regulation: Regulation, found: forget_texts.Found) -> None:
    """Nothing is left to be found, so the record need not know any more who it was."""
    regulation.count(texts=await forget_texts.erase(connection, found))
    regulation.keys, regulation.near, regulation.names, regulation.people = [], [], [], []
    regulation.step = Step.CLEAN


async def _note_tool(connection: Connection, regulation: Regulation, destination: str, tool: Tool) -> None:
    regulation.tools = {**regulation.tools, destination: tool}


async def _finish(connection: Connection, regulation: Regulation, now_ms: int, note: str) -> None:
    await regulation_rows.tell_all(connection)  # what they have read of the log before is dropped
    regulation.step, regulation.finished_at, regulation.note = Step.DONE, now_ms, note
