"""Who owns which destination, and may commit for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from router.store.commit_batch import CommitBatch
from router.store.ports.delivery import DeadLetters, Directory, KeyedState, Lanes, Replays
from router.store.rows import CursorRow, GroupCallRow, Opening, Status, Unit
from router.store.shard_states import OtherShards
from router.store.shards import Share


class Claim(Protocol):
    """The right of one owner to a unit, from its opening until somebody else opens it."""

    @property
    def unit(self) -> Unit:
        """What is owned."""
        ...

    @property
    def cursor(self) -> CursorRow:
        """How far it was when the claim was opened."""
        ...

    @property
    def lost(self) -> asyncio.Event:
        """Set once somebody else has it."""
        ...

    @property
    def epoch(self) -> int:
        """Counts the owners of the unit, this one included."""
        ...

    @property
    def others(self) -> OtherShards:
        """How the other shards of its destination are."""
        ...

    async def until_lost(self) -> None:
        """Return once somebody else has it."""
        ...

    async def until_asked_back(self) -> None:
        """Return once another node should have it: to be given back in good order."""
        ...

    def rest(self) -> None:
        """No worker serves it any more: others may have it after a while, unless it is opened again."""
        ...

    async def give_back(self, *, to_others: bool) -> None:
        """Nothing of it is on its way: whoever waits for it may have it at once. `to_others`: others before this process."""
        ...

    def may_send(self, for_s: float) -> bool:
        """Whether nobody else can have it before a request that begins now and takes this long has ended. Asked before each request:
        cheap. It may become true again, unless the claim is lost."""
        ...

    async def commit(self, batch: CommitBatch) -> list[tuple[str, str]]:
        """Store a batch, all or nothing. Returns what `opened` left to do: needs with the last lane done, to be named in a later
        batch. Raises CommitFailed if its own rows are at fault, ClaimLost if somebody else has the unit."""
        ...

    async def group_calls(self) -> list[GroupCallRow]:
        """The group calls that do not count as settled here."""
        ...

    async def miscounts(self) -> dict[str, int]:
        """By how much the counters of the ledger, by name, must change to agree with the rows; empty where they do. May take a second
        for a million rows, and holds no delivery up."""
        ...

    @property
    def directory(self) -> Directory: ...

    @property
    def lanes(self) -> Lanes: ...

    @property
    def keyed_state(self) -> KeyedState: ...

    @property
    def dead_letters(self) -> DeadLetters: ...

    @property
    def replays(self) -> Replays: ...


class Claims(Protocol):
    """Who owns which unit."""

    async def open(self, unit: Unit, opening: Opening) -> Claim:
        """Take a unit over from whoever had it, or wait until this process may have it. Its cursor is created at the head of the log where there is none. Where it was in
        dry-run and is live now, keyed state and timers of the dry run go."""
        ...

    async def open_now(self, unit: Unit, opening: Opening) -> Claim | None:
        """The same, without waiting for anybody. None: another node has it; its cursor is there from now on."""
        ...

    async def holder(self, unit: Unit) -> str:
        """Which node has it, as people call it; empty where nobody has."""
        ...

    async def shares(self, destination: str) -> list[Share]:
        """The shards of a destination of which the store has a place."""
        ...

    def status(self, unit: Unit) -> Status | None:
        """How it is at another node, as of some seconds ago; None where nobody else uses the store."""
        ...

    def keep_for(self, destinations: Iterable[str]) -> None:
        """What these destinations have not read yet stays, however old it is."""
        ...

    async def drop_preferences(self) -> None:
        """Drop the preferences of all users: consent is not followed any more."""
        ...

    async def drop(self, destination: str) -> dict[str, int]:
        """Drop all that is kept of a destination that is configured no more; returns what that was: held, retrying, queued, dead."""
        ...
