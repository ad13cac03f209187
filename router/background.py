"""Work that is done beside everything else for as long as the daemon serves. No fault ends it in silence."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from router.clock import Clock
from router.logger import Log

AFTER_FAULT_S = 10.0
"""Before work that failed begins anew."""

LAST_WRITE_S = 2.0
"""How long the last write may take, where another process holds a lock on the store."""

Work = Callable[[], Awaitable[None]]


@asynccontextmanager
async def beside(
    name: str, work: Work, clock: Clock, log: Log, *, writing: asyncio.Lock | None = None, last: Work | None = None
) -> AsyncIterator[None]:
    """Do this until the end of it. Where it fails, the log says so, and it begins anew.

    Args:
        work: does not end by itself.
        writing: held while it writes: a write is not cut, since it may be stored.
        last: what is still written in the end, after `work`.
    """
    task = asyncio.create_task(_again_and_again(name, work, clock, log), name=name)
    try:
        yield
    finally:
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WRITE_S), writing or contextlib.nullcontext():
                    task.cancel()
                    if last is not None:
                        await _told(name, last, log)
        finally:  # also where whoever leaves is cancelled once more
            task.cancel()
            await asyncio.wait({task})


@asynccontextmanager
async def looking(
    name: str, look: Callable[[], Awaitable[None] | None], every_s: float, clock: Clock, log: Log
) -> AsyncIterator[None]:
    """Call `look` at once, and then with so many seconds between two calls, until the end of it. For faults see `beside`."""

    async def work() -> None:
        while True:
            if (under_way := look()) is not None:
                await under_way
            await clock.sleep(every_s)

    async with beside(name, work, clock, log):
        yield


async def _again_and_again(name: str, work: Work, clock: Clock, log: Log) -> None:
    while True:
        await _told(name, work, log)
        if not await _told(name, lambda: clock.sleep(AFTER_FAULT_S), log):
            return  # without a clock it would do nothing but fail


async def _told(name: str, work: Work, log: Log) -> bool:
    """Whether this did not fail. Where it does, the log has the traceback."""
    try:
        await work()
        return True
    except Exception:
        log.emit("internal_error", reason=name, detail=traceback.format_exc())
        return False
