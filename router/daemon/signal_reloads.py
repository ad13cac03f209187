"""Reloads that SIGHUP asked for: one at a time, and one more for all signals that came meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager

from router.errors import CommandRefused, ConfigError, ConfirmationRequired, RestartRequired, StoreError
from router.logger import Log


class SignalReloads:
    """Owned by the daemon. What comes while it starts waits for `running`.

    Args:
        told: the service manager is told of a reload from the instant of the signal until nobody waits for one any more: `systemctl
            reload` waits only for what it knows of.
    """

    def __init__(
        self, reload: Callable[[], Awaitable[object]], told: Callable[[], AbstractContextManager[None]], log: Log
    ) -> None:
        self._reload, self._told, self._log = reload, told, log
        self._is_asked, self._is_running = asyncio.Event(), False
        self._telling = contextlib.ExitStack()

    def ask(self) -> None:
        """Reload once more, as soon as that can be. What is under way may have read the file before it changed."""
        if self._is_running and not self._is_asked.is_set():
            self._telling.enter_context(self._told())
        self._is_asked.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reload from here on. None is under way behind it: they end before what they change ends."""
        task = asyncio.create_task(self._run(), name="reload")
        self._is_running = True
        try:
            yield
        finally:
            self._is_running = False
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._telling.close()

    async def _run(self) -> None:
        while True:
            await self._is_asked.wait()
            self._is_asked.clear()
            await self._reload_once()
            if not self._is_asked.is_set():
                self._telling.close()

    async def _reload_once(self) -> None:
        try:
            # a bad file, and a store that is away, are reported in the log; a daemon that is stopping has no use for a new file
            with contextlib.suppress(ConfigError, RestartRequired, ConfirmationRequired, CommandRefused, StoreError):
                await self._reload()
        except Exception:
            self._log.emit("internal_error", reason="reload", detail=traceback.format_exc())
