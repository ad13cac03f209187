"""The daemon's event loop: no code of a plugin ends it."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from router.daemon.guarded_task import CancelRefused, guard
from router.logger import Log

T = TypeVar("T")


def loop_factory() -> Any:
    """What makes the event loop: uvloop on Linux; None for the standard one."""
    if sys.platform == "linux":
        import uvloop

        return uvloop.new_event_loop
    return None


def run_to_its_end(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, T], log: Log) -> T:
    """Run `main`. Whoever stops the loop before, or lets SystemExit or KeyboardInterrupt out of a task, is a plugin: the loop
    goes on. What a plugin did not begin, it cannot cancel."""
    guard(loop)
    loop.set_exception_handler(partial(_on_fault, log))
    task = loop.create_task(main, name="daemon")
    while True:
        try:
            return loop.run_until_complete(task)
        except asyncio.CancelledError:
            log.emit(
                "plugin_failed", hook="", detail="code of a plugin has cancelled the task that all depends on: it ends"
            )
            raise
        except (RuntimeError, SystemExit, KeyboardInterrupt) as error:
            if task.done():
                raise
            words = "".join(traceback.format_exception(error))
            log.emit("plugin_failed", hook="", detail=f"code of a plugin would have ended the daemon:\n{words}")


def _on_fault(log: Log, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What the loop has called has failed, for whoever asked it to."""
    if isinstance(error := context.get("exception"), CancelRefused):
        log.emit("plugin_failed", hook="", detail=str(error))
    else:
        loop.default_exception_handler(context)
