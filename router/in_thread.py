"""Work that waits for a disk or takes long, beside the event loop: each in a thread of its own, which ends with it.

The threads of `asyncio.to_thread` are few and belong to the plugins: one whose calls hang there would hold up whoever else uses them.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MOST = 8
"""Threads that do the same work at a time. Who asks beyond them waits, and a disk that hangs under one kind of work holds up no other kind."""


class Thread(threading.Thread):
    """A thread for one piece of work. `done`: what comes of it: SystemExit and the like as RuntimeError."""

    def __init__(self, work: Callable[[], Any], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._work = work

    def run(self) -> None:
        """Work, and tell the loop that waits for it."""
        try:
            settle = partial(_fill, self.done, self._work())
        except Exception as error:
            settle = partial(_fail, self.done, error)
        except BaseException as error:  # a plugin's own SystemExit must not pass for anything else
            settle = partial(_fail, self.done, RuntimeError(f"{type(error).__name__}: {error}"))
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self.done.get_loop().call_soon_threadsafe(settle)


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call this there, as soon as fewer than `MOST` threads do the same. Raises what it raises; who is cancelled meanwhile leaves the
    thread behind."""
    name = f"beside {getattr(work, '__qualname__', work)}"
    while len(same := _running(name)) >= MOST:
        await asyncio.wait([thread.done for thread in same], return_when=asyncio.FIRST_COMPLETED)
    result: T = await asyncio.shield(begin(partial(work, *args, **kwargs), name).done)  # it tells when the thread ends
    return result


def begin(work: Callable[[], Any], name: str) -> Thread:
    """The thread, which has begun."""
    thread = Thread(work, name)
    thread.start()
    return thread


def _running(name: str) -> list[Thread]:
    """Those of this name that work for the loop that asks."""
    loop = asyncio.get_running_loop()
    found = [one for one in threading.enumerate() if isinstance(one, Thread) and one.name == name]
    return [one for one in found if one.done.get_loop() is loop and not one.done.done()]


def _fill(done: asyncio.Future[Any], result: Any) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: asyncio.Future[Any], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
