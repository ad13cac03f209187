"""Code of plugins that may take long, `__init__` above all, beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from router.plugin_host.time_budgets import MAKE_S

T = TypeVar("T")


async def in_thread(work: Callable[[], T], limit_s: float = MAKE_S) -> T:
    """Do this in a thread of its own: events are accepted meanwhile.

    Raises what `work` raises, SystemExit and the like as RuntimeError; TimeoutError when it takes longer than `limit_s`: a thread
    that hangs is left behind.
    """
    _, done = begin(work)
    async with asyncio.timeout(limit_s):
        return await done


def begin(work: Callable[[], T]) -> tuple[threading.Thread, asyncio.Future[T]]:
    """The thread, which has begun, and what comes of it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            settle = partial(_fill, done, work())
        except Exception as error:
            settle = partial(_fail, done, error)
        except BaseException as error:  # a plugin's own SystemExit must not pass for anything else
            settle = partial(_fail, done, RuntimeError(f"{type(error).__name__}: {error}"))
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle)

    thread = threading.Thread(target=run, name="plugin-code", daemon=True)
    thread.start()
    return thread, done


def _fill(done: asyncio.Future[T], result: T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: asyncio.Future[T], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
