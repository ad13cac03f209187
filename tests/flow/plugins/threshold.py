"""Does at its beginning and at its end what its settings say, and sends nothing."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

from router.plugin import Context, Delivered, Event, Item, Outcome, Sender, Settings, hookimpl


class ThresholdSettings(Settings):
    """`made`: "exits", "leaves a thread", or the name of a file that its `__init__` waits for. `ends`: "hangs", "raises" or "twice"."""

    made: str = ""
    ends: str = ""


class Threshold:
    """What comes between is delivered."""

    settings_model = ThresholdSettings

    def __init__(self, settings: ThresholdSettings) -> None:
        if settings.made == "exits":
            sys.exit(3)
        if settings.made == "leaves a thread":
            threading.Thread(target=threading.Event().wait).start()
        while settings.made not in ("", "leaves a thread") and not Path(settings.made).exists():
            time.sleep(0.01)
        self.settings = settings

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        """Ends as it is told to."""
        yield
        match self.settings.ends:
            case "hangs":
                await asyncio.Event().wait()
            case "raises":
                raise OSError("too late")
            case "twice":
                yield

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """Any item."""
        return Item({"id": event.message_id})

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
        """Sends nothing."""
        return Delivered()
