"""Does what an event is named, each of which would end or stop a process that trusts its plugins."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator

from router.plugin import Context, Delivered, Event, Item, Outcome, Sender, Settings, hookimpl, json_request


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
        return None

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """May exit."""
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
            case "thread stays":
                threading.Thread(target=time.sleep, args=(3600,), daemon=False).start()
            case _:
                pass
        return Item({"id": event.message_id, "name": event.name})

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
        """May exit, too."""
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
            case _:
                pass
        await sender.send(json_request(self.settings.base_url, [item.body for item in items]))
        items.clear()
        return Delivered()


async def _fail() -> None:
    await asyncio.sleep(0.2)
    raise ConnectionError("lost")


async def _exit() -> None:
    sys.exit(3)
