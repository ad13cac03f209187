"""What the owner of a destination may do. Its verbs wait for a database that is away until it is back, or the claim is lost."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from router.errors import ClaimLost, CommitFailed, StoreError, StoreFull
from router.store.commit_batch import CommitBatch
from router.store.fence import Came, Fence
from router.store.postgres import commit, ledger_reads, state_reads, units
from router.store.postgres.block_reads import Blocks
from router.store.postgres.claim_reads import (
    PostgresDeadLetters,
    PostgresDirectory,
    PostgresKeyedState,
    PostgresLanes,
    PostgresReplays,
)
from router.store.postgres.database import Database, Work, is_away, is_data, refusal
from router.store.postgres.lease import Held
from router.store.postgres.outcome_codes import OutcomeCodes
from router.store.postgres.scope import Scope
from router.store.rows import CursorRow, GroupCallRow
from router.store.shard_states import ShardStates

T = TypeVar("T")


class Grant(NamedTuple):
    """What the database gave when the unit was taken."""

    cursor: CursorRow
    fence: Fence
    lease: Held | None = None  #: None where nobody else uses the database
    states: ShardStates = ShardStates()


class PostgresClaim:
    """Implements `ports.Claim`."""

    def __init__(self, grant: Grant, owner: UUID, database: Database, blocks: Blocks, codes: OutcomeCodes) -> None:
        self.cursor, fence, self.lease, states = grant
        self.unit, self.others = fence.unit, states.beside(fence.unit)
        self.lost, self._asked_back = asyncio.Event(), asyncio.Event()
        self.is_served = True  #: a worker has it, or will have it in a moment: only then its lease is renewed
        self._fence, self._owner, self._database, self._codes = fence, owner, database, codes
        self._blocks = blocks
        self._one_at_a_time = asyncio.Lock()
        self._scope = scope = Scope(fence.unit.destination, fence.share)
        self.directory = PostgresDirectory(self)
        self.lanes = PostgresLanes(self, scope, blocks)
        self.keyed_state = PostgresKeyedState(self, scope)
        self.dead_letters = PostgresDeadLetters(self, scope, blocks)
        self.replays = PostgresReplays(self, scope, blocks)

    # ------------------------------------------------------------ the lease

    @property
    def epoch(self) -> int:
        """How often the unit was taken over, this time included."""
        return self._fence.epoch

    @property
    def step(self) -> int:
        """How many commits the unit has had, as far as it is known here."""
        return self._fence.step

    def may_send(self, for_s: float) -> bool:
        """Whether the lease lasts until a request has ended that begins now."""
        return not self.lost.is_set() and (self.lease is None or self.lease.lasts(for_s))

    def ask_back(self) -> None:
        """Another node should have it."""
        self._asked_back.set()

    async def until_lost(self) -> None:
        """Return once somebody else has it."""
        await self.lost.wait()

    async def until_asked_back(self) -> None:
        """Return once another node should have it."""
        await self._asked_back.wait()

    def rest(self) -> None:
        """No worker serves it any more: its lease is not renewed."""
        self.is_served = False

    async def give_back(self, *, to_others: bool) -> None:
        """Whoever waits for it may have it at once. While the database is away its lease runs out instead."""
        self.rest()
        with contextlib.suppress(StoreError):
            await self._database.see_through(self._give_back(to_others=to_others))

    async def _give_back(self, *, to_others: bool) -> None:
        try:
            async with self._database.worker() as connection:
                await units.give_back(connection, self._fence, self._owner, to_others=to_others)
        except Exception as error:
            raise refusal(error) from error

    # ------------------------------------------------------------ reading

    async def read(self, work: Work[T], *args: Any) -> T:
        """Ask something of the database for as long as this process owns the destination."""
        return await self._database.read(self._raise_if_lost, work, *args)

    async def see_through(self, work: Work[T], *args: Any) -> T:
        """The same for a write, which is never given up."""
        return await self._database.see_through(self.read(work, *args))

    def _raise_if_lost(self) -> None:
        if self.lost.is_set():
            raise ClaimLost

    async def group_calls(self) -> list[GroupCallRow]:
        """The group calls that do not count as settled here."""
        return await self.read(state_reads.group_calls, self._scope)

    async def miscounts(self) -> dict[str, int]:
        """By how much the counters of the ledger must change to agree with the rows."""
        return await self.read(ledger_reads.miscounts, self._blocks, self._scope)

    # ------------------------------------------------------------ commits

    async def commit(self, batch: CommitBatch) -> list[tuple[str, str]]:
        """Store a batch, all or nothing. Raises CommitFailed, ClaimLost, StoreFull."""
        return await self._database.see_through(self._commit(batch))

    async def _commit(self, batch: CommitBatch) -> list[tuple[str, str]]:
        async with self._one_at_a_time:
            is_again = False
            while True:
                try:
                    left = await self._store(batch)
                except ClaimLost:
                    if (
                        is_again and await self._came_to() is Came.STORED
                    ):  # it had been under way when it was sent again
                        return await self._left_of(batch)
                    self.lost.set()
                    raise
                except StoreError:
                    raise
                except Exception as error:
                    if is_data(error):
                        raise CommitFailed(f"{type(error).__name__}: {error}") from error
                    told = refusal(error)
                    if isinstance(told, StoreFull):
                        raise told from error
                    if is_away(error):
                        is_again = True
                        if (came := await self._came_to()) is Came.STORED:
                            return await self._left_of(batch)
                        if came is Came.LOST:
                            self.lost.set()
                            raise ClaimLost from None
                    await self._database.wait(self._raise_if_lost)
                else:
                    self._fence.step += 1
                    return left

    async def _store(self, batch: CommitBatch) -> list[tuple[str, str]]:
        async with self._database.worker() as connection:
            codes = await self._codes.of(connection, commit.outcomes_of(batch))
            async with connection.transaction():
                return await commit.apply_commit(connection, batch, self._fence, self._owner, codes)

    async def _came_to(self) -> Came:
        """What became of a commit whose answer was lost, as soon as the database can tell."""
        epoch, step, owner = await self.read(state_reads.place, self.unit)
        return self._fence.came_to(epoch, step) if owner == self._owner else Came.LOST

    async def _left_of(self, batch: CommitBatch) -> list[tuple[str, str]]:
        """It is stored. What it left to do is read again."""
        self._fence.step += 1
        return [(need, last) for need, last in await self.lanes.openings() if need in batch.opened]
