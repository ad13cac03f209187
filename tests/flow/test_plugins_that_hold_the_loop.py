"""A plugin whose hooks take long is named, and nobody else waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.testing.vendor import FakeVendor, Reset
from tests.flow.harness import Daemon, destination


def tables(vendor: FakeVendor, **delivery: str) -> list[Any]:
    """A plugin that holds the loop, and a neighbour."""
    return [
        destination("slow", "sloth", {"base_url": vendor.url}, delivery=delivery),
        destination("neighbour", "collector", {"base_url": vendor.url}),
    ]


def ids(vendor: FakeVendor) -> list[str]:
    """What the slow destination sent, in order."""
    bodies: list[Any] = [request.json() for request in vendor.requests if request.url == "/"]
    return [body["id"] for body in bodies]


async def described(daemon: Daemon, name: str) -> dict[str, Any]:
    """What `/api/destinations` says of one."""
    answer = await daemon.get("/api/destinations")
    return next(one for one in answer["destinations"] if one["name"] == name)


async def test_mapping_that_holds_the_loop_again_and_again_gets_a_thread_of_its_own(tmp_path: Path) -> None:
    async with FakeVendor() as vendor, Daemon(tmp_path, tables(vendor)) as daemon:
        calls = [{"type": "track", "userId": "u1", "event": "map", "messageId": f"m{n}", "properties": {"s": 0.4}}
                 for n in range(8)]  # fmt: skip
        await daemon.batch(calls)
        [told] = await daemon.logged("destination_isolated")
        assert told["destination"] == "slow"
        ledger = await daemon.settled()
        assert ledger["destinations"]["slow"]["delivered"] == 8
        assert ledger["destinations"]["neighbour"]["delivered"] == 8
        assert ids(vendor) == [f"m{n}" for n in range(8)]
        named = [line for line in daemon.log("plugin_slow") if line["hook"] == "track"]
        assert (named[0]["destination"], named[0]["plugin"], named[0]["message_id"]) == ("slow", "sloth", "m0")
        assert "sloth.py" in named[0]["stack"]
        slow = await described(daemon, "slow")
        assert slow["isolation"] == "thread"
        assert slow["slow_hooks"]["track"]["count"] == 8
        await daemon.reload()
        assert (await described(daemon, "slow"))["isolation"] == "thread", "nothing of it has changed"
        assert await daemon.terminate() == 0


async def test_it_is_paused_where_the_operator_chose_that(tmp_path: Path) -> None:
    async with FakeVendor() as vendor, Daemon(tmp_path, tables(vendor, slow_hooks="pause")) as daemon:
        for n in range(8):
            await daemon.post("track", userId="u1", event="map", messageId=f"m{n}", properties={"s": 0.15})
        [paused] = await daemon.logged("destination_paused")
        assert (paused["destination"], paused["reason"]) == ("slow", "internal")
        assert "plugin_slow" in paused["detail"]
        await daemon.settled("neighbour")


async def test_a_deliver_that_holds_the_loop_is_named(tmp_path: Path) -> None:
    async with FakeVendor() as vendor, Daemon(tmp_path, tables(vendor)) as daemon:
        await daemon.post("track", userId="u1", event="deliver", messageId="m1", properties={"s": 1.0})
        [line] = await daemon.logged("plugin_slow")
        assert (line["destination"], line["hook"], line["message_id"]) == ("slow", "deliver", "m1")
        assert "time.sleep" in line["stack"]


@pytest.mark.timeout(120)
async def test_a_hook_that_never_returns_holds_nobody_where_it_has_a_thread(tmp_path: Path) -> None:
    """It is named while it hangs; the reload leaves it behind; the stop ends in time."""
    settings = {"timeout": "1s", "isolation": "thread"}
    async with FakeVendor() as vendor, Daemon(tmp_path, tables(vendor, **settings)) as daemon:
        await daemon.post("track", userId="u1", event="map", messageId="m1", properties={"s": 3600})
        await daemon.post("track", userId="u2", event="quiet", messageId="m2")
        await daemon.settled("neighbour")
        [line] = await daemon.logged("loop_held")
        assert (line["destination"], line["hook"], line["message_id"]) == ("slow", "track", "m1")
        daemon.destinations[0]["delivery"]["concurrency"] = 2
        daemon.write_config()
        await daemon.reload()
        [left] = await daemon.logged("plugin_failed")
        assert "left behind" in left["detail"]
        assert (await daemon.fate("m1", "neighbour"))[0] == "delivered"
        assert await daemon.terminate() == 0


async def test_in_a_thread_all_is_delivered_in_order(tmp_path: Path) -> None:
    async with FakeVendor() as vendor, Daemon(tmp_path, tables(vendor, isolation="thread")) as daemon:
        vendor.script(Reset(), Reset(), Reset())
        calls = [
            {"type": "track", "userId": f"u{n % 5}", "event": "quiet", "messageId": f"m{n:03}"} for n in range(200)
        ]
        await daemon.batch(calls)
        await daemon.settled("slow")
        sent = list(dict.fromkeys(ids(vendor)))
        assert sorted(sent, key=lambda id: (int(id[1:]) % 5, sent.index(id))) == [
            f"m{n:03}" for user in range(5) for n in range(user, 200, 5)
        ]
        status, answer = await daemon.admin("POST", "/api/destinations/slow/pause")
        assert (status, answer["state"]) == (200, "paused")
        assert (await daemon.admin("POST", "/api/destinations/slow/resume"))[0] == 200
        assert await daemon.terminate() == 0
