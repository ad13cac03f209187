"""States that events and people bring about: replays, duplicates, more than can be read, what is old or late, who was forgotten."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from router.testing.vendor import FakeVendor, Reply
from tests.browser.state import CONSOLE, DRY, Seen, Shown, change, try_it
from tests.flow.harness import Daemon, destination
from tests.flow.odd_daemon import OddDaemon, on_odd_machine
from tests.flow.test_forgetting import forget

HOUR_S, DAY_S = 3_600.0, 86_400.0


@asynccontextmanager
async def odd_history(folder: Path) -> AsyncIterator[Shown]:
    """Somebody was forgotten, two sources use the same id, a call does not fit the plan, dead letters were replayed."""
    plan = {
        "rules": [
            {
                "type": "TRACK",
                "key": "Known",
                "version": 1,
                "jsonSchema": {"properties": {"properties": {"required": ["total"]}}},
            }
        ]
    }
    (folder / "plan.json").write_text(json.dumps({"name": "p", **plan}), encoding="utf-8")
    async with FakeVendor(Reply(422, body=b"no such account")) as vendor:
        slow = destination("slow", "collector", {"base_url": vendor.url}, delivery={"rate": "1/s"})
        daemon = Daemon(folder, [slow], console={**CONSOLE, "edit": True})
        daemon.source = {"plan": "plan.json"}
        daemon.more_sources = [
            {"name": "app", "write_key": "wk_app"},
            {"name": "old", "write_key": "wk_old", "enabled": False},
        ]
        async with daemon:
            same = {"type": "track", "userId": "u1", "event": "Known", "messageId": "same"}
            await daemon.batch([same])
            await daemon.batch([same], write_key="wk_app")
            await daemon.batch([{**same, "event": f"New {n}", "messageId": f"new-{n}"} for n in range(3)])
            await daemon.batch([{**same, "userId": "gone", "messageId": "of-gone"}])
            await daemon.settled()
            await forget(daemon, "gone")
            await forget(daemon, "shut", kind="SUPPRESS_ONLY")
            await daemon.batch([same, same])
            assert (await daemon.admin("POST", "/api/destinations/slow/replay", {"dead": True}))[0] == 200
            pages = {
                "event, of two sources": Seen("/events/same", "2 sources sent an event with this id"),
                "event, duplicate": Seen("/events/same?source=website", "2 calls with this id came again"),
                "event, outside the plan": Seen("/events/new-0", "Tracking plan"),
                "live, duplicate": Seen("/events?show=discards", "duplicate"),
                "person, suppressed": Seen("/users/user:shut", "Suppressed"),
                "event, replayed": Seen("/events/new-0", "attempt"),
                "person, forgotten": Seen("/users/user:gone", "Forgotten"),
                "source, with a plan": Seen("/sources/website", "Unknown events"),
                "source, disabled": Seen("/sources/old", "It is disabled"),
                "replay, done": Seen("/destinations/slow/replay", "Done"),
                "try, discarded": Seen("/try", "would be discarded", try_it('{"type": "track", "userId": "u1"}')),
                "try, faulty": Seen("/try", "destination", try_it("{", "slow")),
                "try, answered": Seen(
                    "/try",
                    "If the vendor answers 400",
                    try_it('{"type": "track", "userId": "u1", "event": "E"}', "slow", "400"),
                ),
                "edit, refused": Seen("/destinations/slow/edit", "Nothing was written", change("filter", "type =")),
                "edit, its difference": Seen(
                    "/destinations/slow/edit", "What is written", change("filter", "type = 'track'")
                ),
            }
            yield Shown(daemon.admin_url, pages)


@asynccontextmanager
async def replay_under_way(folder: Path) -> AsyncIterator[Shown]:
    """Dead letters are sent again to a destination that an operator paused meanwhile."""
    async with FakeVendor(Reply(422, body=b"no such account")) as vendor:
        picky = destination("picky", "collector", {"base_url": vendor.url})
        async with Daemon(folder, [picky], console=CONSOLE) as daemon:
            calls = [{"type": "track", "userId": f"u{n}", "event": "E", "messageId": f"m{n}"} for n in range(40)]
            await daemon.batch(calls)
            await daemon.settled()
            for action, body in (("pause", {"reason": "a look at the letters first"}), ("replay", {"dead": True})):
                assert (await daemon.admin("POST", f"/api/destinations/picky/{action}", body))[0] == 200
            pages = {
                "replay, under way": Seen("/destinations/picky/replay", "to go"),
                "replays, under way": Seen("/replays", "to go"),
            }
            yield Shown(daemon.admin_url, pages)


@asynccontextmanager
async def flood(folder: Path) -> AsyncIterator[Shown]:
    """More events come than anybody can read, as long as somebody looks."""
    async with Daemon(folder, [DRY], console=CONSOLE) as daemon:

        async def send() -> None:
            while True:
                await daemon.batch([{"type": "track", "userId": "u", "event": f"E{n}"} for n in range(200)])
                await asyncio.sleep(0.3)

        sending = asyncio.create_task(send())
        try:
            yield Shown(daemon.admin_url, {"live, one in many": Seen("/events", "events in between are left out here")})
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


@asynccontextmanager
async def many_of_one(folder: Path) -> AsyncIterator[Shown]:
    """A person with more events than are counted, and of a company."""
    async with Daemon(folder, [DRY], console=CONSOLE) as daemon:
        await daemon.post("group", userId="max", groupId="acme", traits={"name": "Acme"}, messageId="g")
        await daemon.batch([{"type": "track", "userId": "max", "event": "E", "messageId": f"m{n}"} for n in range(510)])
        await daemon.settled()
        pages = {
            "person, many events": Seen("/users/user:max", "the newest 500 events"),
            "group, many events": Seen("/groups/acme", "the newest 200 events"),
            "live, newer events": Seen("/events?pause=1&before=400", "newer, show"),
        }
        yield Shown(daemon.admin_url, pages)


@asynccontextmanager
async def old(folder: Path) -> AsyncIterator[Shown]:
    """An event that waited for six days, two days after it was delivered: its body went with the log, what became of it is still told."""
    gated = destination("gated", "collector", {"base_url": "http://127.0.0.1:9", "gated": True}, mode="dry-run")
    with on_odd_machine(folder):
        daemon = OddDaemon(folder, [gated], console=CONSOLE)
        daemon.tune("import router.store.sqlite.dedupe as dedupe; dedupe.MERGE_AT = 1")
        async with daemon:
            await daemon.post("track", userId="u1", event="Report Opened", messageId="waited")
            await daemon.becomes("waited", "gated", "held")
            await _days_later(daemon, 6)
            await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g")
            await daemon.emptied()
            await _days_later(daemon, 8)
            for n in range(3):
                await daemon.post("track", userId="u2", event="E", messageId=f"new-{n}")
                await daemon.settled()
            yield Shown(
                daemon.admin_url, {"event, body gone": Seen("/events/waited", "Its body is not stored any more")}
            )


async def _days_later(daemon: OddDaemon, days: float) -> None:
    """So many days after the first start."""
    assert await daemon.terminate() == 0
    daemon.wall(days * DAY_S)
    await daemon.restart()


@asynccontextmanager
async def late(folder: Path) -> AsyncIterator[Shown]:
    """A tool that takes its time with each request, two hours later; and there is no backup."""
    with on_odd_machine(folder):
        async with FakeVendor(Reply(200, delay_s=3_600)) as vendor:
            slow = destination("slow", "collector", {"base_url": vendor.url}, delivery={"timeout": "10m"})
            async with OddDaemon(folder, [slow], console=CONSOLE, store={"backup_max_age": "1h"}) as daemon:
                for n in range(9):
                    await daemon.post("track", userId=f"u{n}", event="E", messageId=f"m{n}")
                await vendor.received(1)
                daemon.kill()
                daemon.wall(2 * HOUR_S)
                await daemon.restart()
                words = "the oldest event that is not delivered waits for 2 h"
                yield Shown(daemon.admin_url, {"late, overview": Seen("/", words)})
                daemon.kill()
