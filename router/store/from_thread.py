"""The store for an event loop of another thread: whatever waits is carried out in the loop that opened the store."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar, cast

from router.errors import StoreError
from router.store.ports import (
    Claim,
    Claims,
    Cluster,
    Commands,
    Counters,
    Directory,
    Erasure,
    EventLog,
    Health,
    InputReports,
    Lookups,
    Notices,
    OutputReports,
    People,
    Queries,
    Store,
)
from router.store.rows import Opening, Unit

T = TypeVar("T")


class FromThread:
    """One port of the store. What it answers at once is asked at once; what waits runs in the store's own loop."""

    def __init__(self, port: object, home: asyncio.AbstractEventLoop) -> None:
        self._port, self._home = port, home

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return partial(self._carry_out, found) if inspect.iscoroutinefunction(found) else found

    async def _carry_out(self, method: Callable[..., Coroutine[Any, Any, T]], *args: Any, **more: Any) -> T:
        work = method(*args, **more)
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._home)
        except RuntimeError:  # this thread was left behind, and the daemon is ending
            work.close()
            raise StoreError("the store's event loop has ended") from None
        return await asyncio.wrap_future(future)


class EventLogFromThread(FromThread):
    """The log: its watchers are called in the loop that watches."""

    def __init__(self, log: EventLog, home: asyncio.AbstractEventLoop) -> None:
        super().__init__(log, home)
        self._log = log
        self._watchers: dict[Callable[[], None], Callable[[], None]] = {}

    def watch(self, wake: Callable[[], None]) -> None:
        """See `EventLog.watch`."""
        loop, is_on_its_way = asyncio.get_running_loop(), False

        def wake_up() -> None:
            nonlocal is_on_its_way
            is_on_its_way = False
            wake()

        def wake_there() -> None:
            nonlocal is_on_its_way
            if not is_on_its_way:  # a loop that a hook holds must not gather calls
                is_on_its_way = True
                with contextlib.suppress(RuntimeError):  # it has ended
                    loop.call_soon_threadsafe(wake_up)

        def begin() -> None:
            self._log.watch(wake_there)
            wake_there()  # for what came before

        self._watchers[wake] = wake_there
        self._home.call_soon_threadsafe(begin)

    def unwatch(self, wake: Callable[[], None]) -> None:
        """See `EventLog.unwatch`."""
        wake_there = self._watchers.pop(wake, None)  # None: this thread was left behind
        if wake_there is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._home.call_soon_threadsafe(self._log.unwatch, wake_there)

    def leave_behind(self) -> None:
        """Called in the store's loop: wake nobody in that thread any more."""
        while self._watchers:
            self._log.unwatch(self._watchers.popitem()[1])


class ClaimFromThread(FromThread):
    """A claim with its parts."""

    def __init__(self, claim: Claim, home: asyncio.AbstractEventLoop) -> None:
        super().__init__(claim, home)
        for part in ("directory", "lanes", "keyed_state", "dead_letters", "replays"):
            setattr(self, part, FromThread(getattr(claim, part), home))


class ClaimsFromThread(FromThread):
    """Who owns which unit."""

    def __init__(self, claims: Claims, home: asyncio.AbstractEventLoop) -> None:
        super().__init__(claims, home)
        self._claims = claims

    async def open(self, unit: Unit, opening: Opening) -> Claim:
        """See `Claims.open`."""
        claim = await self._carry_out(self._claims.open, unit, opening)
        return cast(Claim, ClaimFromThread(claim, self._home))

    async def open_now(self, unit: Unit, opening: Opening) -> Claim | None:
        """See `Claims.open_now`."""
        claim = await self._carry_out(self._claims.open_now, unit, opening)
        return None if claim is None else cast(Claim, ClaimFromThread(claim, self._home))


class StoreFromThread:
    """Implements `Store` for a worker with a loop of its own.

    Args:
        home: the loop that opened the store.
    """

    def __init__(self, store: Store, home: asyncio.AbstractEventLoop) -> None:
        self._log = EventLogFromThread(store.log, home)
        self.log = cast(EventLog, self._log)
        self.claims = cast(Claims, ClaimsFromThread(store.claims, home))
        self.directory = cast(Directory, FromThread(store.directory, home))
        self.queries = cast(Queries, FromThread(store.queries, home))
        self.input_reports = cast(InputReports, FromThread(store.input_reports, home))
        self.lookups = cast(Lookups, FromThread(store.lookups, home))
        self.output_reports = cast(OutputReports, FromThread(store.output_reports, home))
        self.commands = store.commands and cast(Commands, FromThread(store.commands, home))
        self.cluster = store.cluster and cast(Cluster, FromThread(store.cluster, home))
        self.health: Health = store.health
        self.counters = cast(Counters, FromThread(store.counters, home))
        self.sizes, self.repaired = store.sizes, store.repaired
        self.notices = cast(Notices, FromThread(store.notices, home))
        self.people = cast(People, FromThread(store.people, home))
        self.erasure = cast(Erasure, FromThread(store.erasure, home))

    def leave_behind(self) -> None:
        """Called in the store's loop: the thread has not ended, and is waited for no more."""
        self._log.leave_behind()
