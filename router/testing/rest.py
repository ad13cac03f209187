"""Whether a destination is at rest: it does nothing more before time passes or somebody calls. It looks into the worker and the store, as
nothing else in the router has to know this."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from router.deliver.runner import Runner
from router.deliver.worker import Worker
from router.store import Store
from router.store.sqlite.store import SqliteStore

TURNS = 20
"""Of the event loop, in which whoever was woken gets to work."""
LONGEST_S = 300.0
"""A plugin that is busy for so long is stuck, on any machine."""


def is_busy(runner: Runner, store: Store, waiting: int = 0) -> bool:
    """Whether the destination is in the middle of something that takes no time of the clock. `waiting`: how many of its requests
    are known to wait for the clock."""
    worker = runner._worker
    if worker is None:
        return not runner._broken
    if not (worker._has_ended or _waits_for_something(worker)):
        return True
    work = worker.state.work
    has_more_to_read = store.log.head > work.read_pos and store.health.may_grow()
    if worker.state.breaker.is_running and (has_more_to_read or len(worker.state.run_queue)):
        return True
    return not work.is_empty or is_committing(runner) or runner.in_flight > waiting


def _waits_for_something(worker: Worker) -> bool:
    """Whether the loop has nothing to do."""
    return not worker._wake.is_set() and bool(vars(worker._wake)["_waiters"])


def is_committing(runner: Runner) -> bool:
    """Whether a commit is on its way."""
    return runner._worker is not None and bool(runner._worker.state.work.unstored()[:-1])


class Counting(Protocol):
    """A way into a store, which counts what is asked of it."""

    begun: int
    ended: int


async def at_rest(store: Store, name: str, busy: Callable[[], bool], moves: Callable[[], Any]) -> dict[str, Any]:
    """Wait until a destination is at rest, and return its ledger.

    Args:
        busy: whether something is under way.
        moves: differs once something happened that the store does not show.

    Raises:
        TimeoutError: it never is.
    """

    async def is_calm() -> bool:
        for _ in range(TURNS):
            await asyncio.sleep(0)
        return not busy() and not any(connection.begun > connection.ended for connection in _connections(store))

    def moved() -> tuple[Any, ...]:
        return moves(), *(connection.begun for connection in _connections(store))

    try:
        async with asyncio.timeout(LONGEST_S):
            while True:
                before = moved()
                if not await is_calm():
                    await asyncio.sleep(0.001)  # the threads of the store and the sockets of the vendor are real
                    continue
                ledger: dict[str, Any] = (await store.queries.ledger([name]))["destinations"].get(name, {})
                if await is_calm() and moved() == before:
                    return ledger
    except TimeoutError:
        raise TimeoutError(
            f"destination {name} is not at rest after {LONGEST_S:.0f} s: does a hook wait for ever?"
        ) from None


def _connections(store: Store) -> Sequence[Counting]:
    """Those through which a destination reads and writes."""
    claims: Any = store.claims
    if isinstance(store, SqliteStore):
        return store.writer._db, claims._reader._connection
    return (claims._database,)
