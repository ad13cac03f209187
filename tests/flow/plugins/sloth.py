"""Holds its event loop, in the hook that an event's name says, for as long as its property `s` says; or all threads of the loop."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time

from router.plugin import Context, Delivered, Event, Item, Outcome, Sender, Settings, hookimpl, json_request


class SlothSettings(Settings):
    """Where it sends to."""

    base_url: str


class Sloth:
    """What is not named below is delivered at once."""

    settings_model = SlothSettings

    def __init__(self, settings: SlothSettings) -> None:
        self.settings = settings

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """May sleep, sleep whatever is raised, never return, or let no other thread run."""
        if event.name == "map":
            time.sleep(event.properties["s"])
        while event.name == "stubborn":
            with contextlib.suppress(BaseException):
                time.sleep(3600)
        while event.name == "spin":
            pass
        if event.name == "regex":
            re.match(r"(a+)+$", "a" * 60 + "b")
        return Item({"id": event.message_id, "name": event.name, "s": event.properties.get("s", 0)})

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
        """May sleep, too."""
        if items[0].body["name"] == "threads":
            await asyncio.gather(*[asyncio.to_thread(time.sleep, 3600) for _ in range(64)])
        if items[0].body["name"] == "deliver":
            time.sleep(items[0].body["s"])  # noqa: ASYNC251  # what it must not do
        await sender.send(json_request(f"{self.settings.base_url}/", items[0].body))
        return Delivered()
