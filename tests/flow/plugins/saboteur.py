"""Does what an event is named, each of which would end or stop a process that trusts its plugins."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

from router.plugin import (
    Context,
    Delivered,
    Event,
    Item,
    Outcome,
    Pause,
    Reject,
    Request,
    Sender,
    Settings,
    hookimpl,
    json_request,
)

HUGE, LARGE = 500_000_000, 50_000_000
ALIASES: list[object] = [1]
for _ in range(9):
    ALIASES = [ALIASES] * 100
"""Takes 8 KB of memory; as JSON it would have 10^18 numbers."""


class Own(BaseException):
    """None of Python's."""


class SaboteurSettings(Settings):
    """`lifetime_fails`: a task of its lifetime fails a moment after the start."""

    base_url: str
    lifetime_fails: bool = False


class Saboteur:
    """What is not named below is delivered."""

    settings_model = SaboteurSettings

    def __init__(self, settings: SaboteurSettings) -> None:
        self.settings = settings

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        """With a task that fails."""
        async with asyncio.TaskGroup() as group:
            if self.settings.lifetime_fails:
                group.create_task(_fail())
            yield

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        """May exit."""
        if event.name == "state_key exits":
            sys.exit(3)
        if event.name == "state_key is huge":
            return "k" * LARGE
        return "k" if event.name == "state is huge" else None

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """May exit."""
        _cancel((event.name or "").removeprefix("hook cancels "))
        _cancel_later(event.name)
        match event.name:
            case "hook exits":
                sys.exit(3)
            case "hook is interrupted":
                raise KeyboardInterrupt
            case "hook is cancelled":
                raise asyncio.CancelledError
            case "hook raises its own":
                raise Own
            case "loop stops":
                asyncio.get_running_loop().stop()
            case "task exits":
                asyncio.get_running_loop().create_task(_exit())
            case "state is huge":
                context.state = ALIASES
            case "thread stays":
                threading.Thread(target=time.sleep, args=(3600,), daemon=False).start()
            case "signals are taken":
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
            case _:
                pass
        return Item({"id": event.message_id, "name": event.name})

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
        """May exit, too."""
        _cancel(items[0].body["name"].removeprefix("deliver cancels "))
        match items[0].body["name"]:
            case "deliver exits":
                sys.exit(3)
            case "deliver is cancelled":
                task = asyncio.get_running_loop().create_task(asyncio.sleep(60))
                task.cancel()
                await task
            case "deliver cancels itself":
                current = asyncio.current_task()
                assert current is not None
                current.cancel()
                await asyncio.sleep(0)
            case "deliver raises its own":
                raise Own
            case "deliver makes a huge body":
                await sender.send(Request(self.settings.base_url, body=bytes(HUGE)))
            case "deliver makes huge JSON":
                await sender.send(json_request(self.settings.base_url, ALIASES))
            case "deliver makes a huge url":
                await sender.send(Request(f"{self.settings.base_url}{'x' * LARGE}"))
            case "deliver makes huge headers":
                await sender.send(Request(self.settings.base_url, headers={"X-A": "x" * LARGE}))
            case "deliver has endless outcomes":
                return Endless()  # type: ignore[return-value]
            case "deliver pauses":
                raise Pause("quota_used_up", "10,000 events of this month")
            case "deliver has huge words":
                raise Reject("x" * LARGE, "ž" * LARGE)
            case _:
                pass
        await sender.send(json_request(self.settings.base_url, [item.body for item in items]))
        items.clear()
        return Delivered()


class Endless(Sequence[Outcome]):
    """One outcome after the other."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: object) -> Any:
        return Delivered()


def _cancel(whom: str) -> None:
    """Cancel tasks that are not the plugin's."""
    current = asyncio.current_task()
    for task in asyncio.all_tasks():
        is_meant = {
            "its caller": task is current,
            "the daemon": task.get_name() == "daemon",
            "the others": task is not current,
        }
        if is_meant.get(whom, whom == "all"):
            task.cancel()


def _cancel_later(how: str | None) -> None:
    """Have all tasks cancelled when the hook has returned, by the loop itself; or the daemon's at once, in a way that nobody guards."""
    loop = asyncio.get_running_loop()
    for task in asyncio.all_tasks():
        match how:
            case "loop cancels":
                loop.call_soon(task.cancel)
            case "function cancels":
                loop.call_soon(partial(_call, task.cancel))
            case "thread cancels":
                threading.Thread(target=loop.call_soon_threadsafe, args=(task.cancel,)).start()
            case "hook goes round the guard" if task.get_name() == "daemon":
                asyncio.Task.cancel(task)
            case _:
                pass


def _call(call: Callable[[], object]) -> None:
    call()


async def _fail() -> None:
    await asyncio.sleep(0.2)
    raise ConnectionError("lost")


async def _exit() -> None:
    sys.exit(3)
