"""Builds of the shared store that are broken on purpose, each in a way that is a plausible mistake. `checks.py` has for each the check that
must tell it from the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch
from uuid import UUID

from router.errors import StoreAway
from router.store import CommitBatch
from router.store.fence import Fence
from router.store.postgres import append_queue, commit
from router.store.postgres.claim import PostgresClaim
from router.store.postgres.database import Connection, is_away

PLACE = "SELECT owner, epoch, step FROM unit WHERE part = $1 AND destination = $2 AND shard = $3"
CHANGED: dict[str, str] = {}
"""What a broken build has in place of a part of the function that appends."""
move_unit = commit._move_unit


@contextmanager
def compares_no_epoch() -> Iterator[None]:
    """A commit compares nothing: who was replaced commits as if it had been the owner all the time."""

    async def move(connection: Connection, step: CommitBatch, fence: Fence, owner: UUID) -> None:
        owner, epoch, number = await connection.fetchrow(PLACE, *fence.unit)
        await move_unit(connection, step, Fence(fence.unit, epoch, number), owner)

    with patch.object(commit, "_move_unit", move):
        yield


@contextmanager
def retries_blindly() -> Iterator[None]:
    """A commit compares no step number, and is sent again when its answer is lost, whatever became of it."""

    async def move(connection: Connection, step: CommitBatch, fence: Fence, owner: UUID) -> None:
        *_, number = await connection.fetchrow(PLACE, *fence.unit)
        await move_unit(connection, step, Fence(fence.unit, fence.epoch, number), owner)

    async def store(claim: PostgresClaim, batch: CommitBatch) -> list[tuple[str, str]]:
        while True:
            try:
                return await claim._store(batch)
            except Exception as error:
                if not is_away(error):
                    raise

    with patch.object(commit, "_move_unit", move), patch.object(PostgresClaim, "_commit", store):
        yield


@contextmanager
def renews_what_it_does_not_serve() -> Iterator[None]:
    """A sign of life renews the lease of a destination whose worker has ended."""
    with patch.object(PostgresClaim, "rest", lambda claim: None):
        yield


@contextmanager
def sends_without_asking_its_claim() -> Iterator[None]:
    """A request begins however long the lease may last."""
    with patch.object(PostgresClaim, "may_send", lambda claim, for_s: True):
        yield


@contextmanager
def takes_positions_from_a_sequence() -> Iterator[None]:
    """Positions are handed out without the lock of the head row."""
    locked = "SELECT * INTO STRICT v_head FROM head WHERE part = 0 FOR UPDATE;"
    taken = "SELECT * INTO STRICT v_head FROM head WHERE part = 0; v_head.pos := nextval('position') - 1;"
    changed = {locked: taken, "UPDATE head SET pos = o_pos": "UPDATE head SET pos = greatest(pos, o_pos)"}
    with patch.dict(CHANGED, changed):
        yield


@contextmanager
def gives_a_write_up_by_a_cancel() -> Iterator[None]:
    """An append that takes too long is cancelled."""

    async def see_through(connection: Connection, work: asyncio.Task[Any], seconds: float) -> None:
        await asyncio.wait({work}, timeout=seconds)
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
            await connection.execute("SELECT")  # it is used again, once the cancel has been heard
            raise StoreAway

    with patch.object(append_queue, "see_through", see_through):
        yield


Build = Callable[[], AbstractContextManager[None]]
_for_good = ExitStack()


def become(name: str) -> None:
    """Called in the process of a daemon before it starts: it is this build until it ends."""
    build: Build = globals()[name]
    _for_good.enter_context(build())
