"""Troubles that come with time: what is held for a day, a clock that jumped, and what senders and filters do wrong meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from router.testing.vendor import FakeVendor, Reply
from tests.browser.state import CONSOLE, Seen, Shown
from tests.flow.harness import Daemon, destination, eventually
from tests.flow.odd_daemon import OddDaemon, on_odd_machine

HOUR_S = 3_600.0


@asynccontextmanager
async def a_day_later(folder: Path) -> AsyncIterator[Shown]:
    """A hold that grows, group calls that a filter keeps back, and calls that cannot be used; then the clock jumps."""
    with on_odd_machine(folder):
        async with FakeVendor() as vendor:
            gated = destination("gated", "collector", {"base_url": vendor.url, "gated": True})
            tables = [gated, {**gated, "name": "choosy", "filter": "type != 'group'"}]
            async with OddDaemon(folder, tables, console=CONSOLE) as daemon:
                await daemon.post("track", userId="u1", event="E", messageId="m1")
                await daemon.settled()
                assert await daemon.terminate() == 0
                daemon.wall(26 * HOUR_S)
                await daemon.restart()
                await daemon.post("track", userId="u2", event="E", messageId="m2")
                group = {"groupId": "acme", "traits": {"name": "Acme"}}
                await daemon.post("group", userId="u3", messageId="g", **group)
                for n in range(5):
                    await daemon.post("track", userId="u4", messageId=f"no-event-{n}")
                await daemon.settled()
                daemon.wall(29 * HOUR_S)
                troubles = (
                    "more and more is held, and nothing was let go for a day",
                    "1 group call did not pass its filters",
                    "5 calls of source website could not be used in the last hour",
                    "the clock of this machine jumped forward by",
                )
                pages = {
                    "a day later, overview": Seen("/", troubles[0], also=troubles[1:]),
                    "a day later, source": Seen("/sources/website", "a track call without an event name"),
                    "a day later, destination": Seen("/destinations/gated", "nothing was let go for a day"),
                }
                yield Shown(daemon.admin_url, pages)


@asynccontextmanager
async def pauses(folder: Path) -> AsyncIterator[Shown]:
    """Three tools stand still: by a word of the plugin's own, since the address is wrong, and since the plugin lost a task."""
    async with FakeVendor(Reply(302, headers={"Location": "https://example.com/"})) as moved:
        tables = [
            destination("quota", "saboteur", {"base_url": moved.url}, filter="event = 'deliver pauses'"),
            destination("moved", "collector", {"base_url": moved.url}),
            destination("lost", "saboteur", {"base_url": moved.url, "lifetime_fails": True}),
        ]
        async with Daemon(folder, tables, console=CONSOLE) as daemon:
            await daemon.logged("plugin_failed")
            await daemon.post("track", userId="u1", event="deliver pauses", messageId="m1")

            async def is_told() -> bool:
                rows = (await daemon.get("/api/destinations"))["destinations"]
                return all(row["state"] == "paused" for row in rows)

            await eventually(is_told, what="all three are paused")
            pages = {
                "pauses, overview": Seen("/", "3 troubles"),
                "paused, a word of its own": Seen("/destinations/quota", "10,000 events of this month"),
                "paused, set-up": Seen("/destinations/moved", "paused because its set-up is wrong"),
                "paused, a fault": Seen("/destinations/lost", "paused after a fault of the router itself"),
            }
            yield Shown(daemon.admin_url, pages)
