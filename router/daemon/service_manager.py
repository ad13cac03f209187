"""What systemd, or another manager that sets `$NOTIFY_SOCKET`, is told of the daemon: whether it is ready, reloads or stops, how
it is in one line, and that it still gets on. Without such a manager nothing is told.

The daemon owns it, around everything else: signs of life go on until the process ends, also while it stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import asynccontextmanager, contextmanager

from router.daemon.notify_socket import NotifySocket, notify_socket, watchdog_s
from router.daemon.progress import Stalled, work_done
from router.errors import ConfigError, StartError, StoreError
from router.logger import Log

EXTEND_EVERY_S, EXTEND_S = 10.0, 60.0
"""While the start takes long and gets on: how often more time is asked for, and how much."""
LEAST_WORK = 10
"""Of `work_done` between two looks. A loop that only waits does less."""
STATUS_EVERY_S = 10.0
PINGS = 3
"""Signs of life in the time within which one is wanted."""


class ServiceManager:
    """The manager, as the daemon sees it.

    Args:
        socket: None where nobody wants to know.
        watchdog_s: within how many seconds a sign of life is wanted; 0 for never.
    """

    def __init__(
        self,
        socket: NotifySocket | None,
        watchdog_s: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        work: Callable[[], int] = work_done,
    ) -> None:
        self._socket, self._watchdog_s = socket, watchdog_s
        self._sleep, self._monotonic_ns, self._work = sleep, monotonic_ns, work
        self._status = ""  #: the last one that was taken
        self._reloads = 0  #: that are on their way
        self._is_stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._telling: asyncio.Task[None] | None = None  #: the status
        if socket is not None and watchdog_s:
            faulthandler.enable()  # it is ended by SIGABRT: the journal says where each thread was

    @contextmanager
    def informed(self) -> Iterator[None]:
        """Tell the manager something until this is left; last of all, why the daemon cannot start."""
        try:
            yield
        except (ConfigError, StartError) as error:
            self._say(str(error))
            raise
        finally:
            if self._socket is not None:
                self._socket.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ask for more time to start until `ready`, while the process works. Leaving ends all signs of life."""
        if self._socket is not None:
            self._say("opening the store")
            self._tasks.append(asyncio.create_task(self._ask_for_time(self._socket), name="start-deadline"))
        try:
            yield
        finally:
            self._end_tasks()

    def ready(self, look: Callable[[], Awaitable[str]], stalled: Callable[[], Sequence[Stalled]], log: Log) -> None:
        """The store is open, the destinations run, both listeners answer.

        Args:
            look: how the daemon is, in one line.
            stalled: what does not get on. While there is any, no sign of life is given.
        """
        self._end_tasks()
        if self._socket is None:
            return
        self._socket.tell(READY="1")
        self._telling = asyncio.create_task(self._tell_status(look, log), name="service-status")
        self._tasks.append(self._telling)
        if self._watchdog_s:
            pinging = self._give_signs_of_life(self._socket, stalled, log)
            self._tasks.append(asyncio.create_task(pinging, name="watchdog"))

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """A reload: of several at a time the last one that ends ends it."""
        self._reloads += 1
        if self._socket is not None and self._reloads == 1 and not self._is_stopping:
            self._socket.tell(RELOADING="1", MONOTONIC_USEC=str(self._monotonic_ns() // 1000))
        try:
            yield
        finally:
            self._reloads -= 1
            if self._socket is not None and not self._reloads and not self._is_stopping:
                self._socket.tell(READY="1")

    def stopping(self, why: str) -> None:
        """From here on it stops. The last status stays."""
        self._is_stopping = True
        if self._telling is not None:
            self._telling.cancel()  # it looks into the store, which closes
        if self._socket is not None:
            self._socket.tell(STOPPING="1", STATUS=f"stopping: {why}")

    def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def _say(self, status: str) -> None:
        if self._socket is None or self._is_stopping or status == self._status:
            return
        if self._socket.tell_once(STATUS=status):
            self._status = status

    async def _ask_for_time(self, socket: NotifySocket) -> None:
        done = self._work()
        while True:
            await self._sleep(EXTEND_EVERY_S)
            before, done = done, self._work()
            if done - before >= LEAST_WORK:
                socket.tell_once(EXTEND_TIMEOUT_USEC=str(int(EXTEND_S * 1e6)))

    async def _tell_status(self, look: Callable[[], Awaitable[str]], log: Log) -> None:
        while True:
            try:
                with contextlib.suppress(StoreError):  # it closes, or it is told of elsewhere
                    self._say(await look())
            except Exception:  # a line for people is not worth the router
                log.emit("internal_error", reason="service_status", detail=traceback.format_exc())
            await self._sleep(STATUS_EVERY_S)

    async def _give_signs_of_life(
        self, socket: NotifySocket, stalled: Callable[[], Sequence[Stalled]], log: Log
    ) -> None:
        was_stalled = False
        while True:
            stuck = stalled()
            if not stuck:
                socket.tell_once(WATCHDOG="1")
            elif not was_stalled:
                log.emit("progress_stalled", detail="; ".join(map(str, stuck)))
            was_stalled = bool(stuck)
            await self._sleep(self._watchdog_s / PINGS)


def service_manager(environ: MutableMapping[str, str]) -> ServiceManager:
    """The one that the environment names. Its variables are taken out: children of this process are not the service."""
    return ServiceManager(notify_socket(environ), watchdog_s(environ))
