"""What a stop does: the first signal drains, a second one or the deadline cuts.

To drain is to answer the requests that have begun, and to let attempts end and their outcomes be committed. What is cut is
repeated after the next start.
"""

from __future__ import annotations

import asyncio
from typing import Any

from router.daemon.supervisor import Supervisor, ended
from router.ingest.aiohttp_server import IngestRunner
from router.logger import Log
from router.store import Health

DRAIN_S = 20.0
"""From the signal until what is in flight is cut. With all that follows it stays well below the service's TimeoutStopSec, and
below the 30 s that container platforms give."""

LISTENER_S = 3.0
"""Of these, what is left for the requests that have begun, where the listener serves on while destinations end."""


class Shutdown:
    """Whether the daemon was asked to stop, and what follows."""

    def __init__(self, log: Log) -> None:
        self.requested = asyncio.Event()
        self.reason = ""  #: the name of the last signal
        self._second = asyncio.Event()
        self._log = log

    def request(self, reason: str) -> None:
        """Stop. Asked a second time: stop now."""
        if self.requested.is_set():
            self._second.set()
        self.reason = reason
        self.requested.set()

    async def wait(self, health: Health, supervisor: Supervisor) -> str:
        """Wait until a stop is requested, the store cannot write, or a destination ends by itself.

        Returns what failed, in words; empty for a requested stop.
        """
        events = (self.requested, health.failed, supervisor.failed)
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if health.broken:
            self._log.emit("store_failed", detail=health.broken)
            return f"the store cannot write: {health.broken}"
        return "" if self.requested.is_set() else supervisor.fault

    async def drain(self, ingest: IngestRunner, supervisor: Supervisor) -> None:
        """Answer what has begun to arrive and let what is in flight end, until the deadline or a second signal.

        Where the system holds the socket, clients wait in it for the next process. So the listener serves on until destinations
        have ended, and no client waits for a slow vendor.
        """

        async def drain() -> None:
            ending = asyncio.ensure_future(supervisor.end_all(lambda runner: runner.stop()))
            try:
                if ingest.is_held:
                    await asyncio.wait({ending}, timeout=DRAIN_S - LISTENER_S)
                await asyncio.gather(ingest.drain(), ending)
            finally:
                ending.cancel()

        second: asyncio.Task[Any] = asyncio.create_task(self._second.wait())
        drains = asyncio.create_task(drain(), name="drain")
        await asyncio.wait({second, drains}, timeout=DRAIN_S, return_when=asyncio.FIRST_COMPLETED)
        if drains.done():
            second.cancel()
            drains.result()
            return
        reason = self.reason if second.done() else "deadline"
        self._log.emit("requests_cut", reason=reason, in_flight=supervisor.in_flight())
        second.cancel()
        drains.cancel()
        await ended([drains])
