"""Work that waits for a disk or takes long, beside the event loop: each in a thread of its own, which ends with it.

The threads of `asyncio.to_thread` are few and belong to the plugins: one whose calls hang there would hold up whoever else uses them.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call this there. Raises what it raises; who is cancelled meanwhile leaves the thread behind."""
    _, done = begin(partial(work, *args, **kwargs), "beside")
    return await done


def begin(work: Callable[[], T], name: str) -> tuple[threading.Thread, asyncio.Future[T]]:
    """The thread, which has begun, and what comes of it: SystemExit and the like as RuntimeError."""
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

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread, done


def _fill(done: asyncio.Future[T], result: T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: asyncio.Future[T], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
