"""Troubles that plugins and silent vendors make: loops held up, a hook that does not return, a cursor that does not move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from router.testing.vendor import FakeVendor, Hang
from tests.browser.state import CONSOLE, Seen, Shown
from tests.browser.states_of_stores import is_told
from tests.flow.drill import tuned
from tests.flow.harness import destination

BOUNDS = {"explain.troubles.STANDS_S": 0.3, "daemon.cursor_watch.LOOK_S": 0.1, "daemon.shutdown.DRAIN_S": 1.0}
HOLDS_S = 5.5
"""The loop of all was late by more than LOOP_LATE_S then."""


@asynccontextmanager
async def held_up(folder: Path) -> AsyncIterator[Shown]:
    """One plugin holds up all others, one never returns in a thread of its own, and one vendor never answers."""
    async with FakeVendor() as vendor:
        to = {"base_url": vendor.url}
        alone = {"isolation": "thread", "timeout": "1s"}
        tables = [
            destination("slow", "sloth", to, filter="userId = 'u1'", delivery={"slow_hooks": "pause"}),
            destination("hung", "sloth", to, filter="userId = 'u2'", delivery=alone),
            destination("silent", "collector", to, filter="userId = 'u3'", delivery={"timeout": "10m"}),
        ]
        vendor.script(Hang())
        async with tuned(folder, tables, BOUNDS, "loop_held", "plugin_failed", console=CONSOLE) as daemon:
            await daemon.post("track", userId="u3", event="quiet", messageId="m3")
            await is_told(daemon, "cursor_stuck")
            await daemon.post("track", userId="u2", event="map", messageId="m2", properties={"s": 3600})
            await is_told(daemon, "hook_held")
            for n in range(8):
                seconds = 0.15 if n else HOLDS_S
                await daemon.post("track", userId="u1", event="map", messageId=f"s{n}", properties={"s": seconds})
            await is_told(daemon, "slow_hooks")
            pages = {
                "held up, overview": Seen(
                    "/",
                    "its plugin held up all other destinations",
                    also=("the event loop was late by", "has not returned for", "its cursor has not moved for"),
                ),
                "paused, slow hooks": Seen("/destinations/slow", "its plugin held up all other destinations"),
                "paused, a hook that hangs": Seen("/destinations/hung", "has not returned for"),
                "destination, cursor stuck": Seen("/destinations/silent", "its cursor has not moved for"),
            }
            yield Shown(daemon.admin_url, pages)
