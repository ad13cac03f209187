"""The alerts about destinations: each fires when its trouble is caused, and its runbook's commands end it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.testing.vendor import FakeVendor, Hang, Reply
from tests.flow.drill import Drill, tuned
from tests.flow.harness import PLUGINS, Daemon, Table, destination, eventually
from tests.flow.test_plugins_that_hold_the_loop import tables

pytestmark = pytest.mark.long

OK = Reply(200, json={})


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with FakeVendor(OK) as vendor:
        yield vendor


def hook(vendor: FakeVendor, **more: object) -> Table:
    return destination("hook", "collector", {"base_url": vendor.url, "gated": more.pop("gated", False)}, **more)


async def state_is(daemon: Daemon, state: str) -> None:
    """Wait until the destination is in this state."""

    async def look() -> bool:
        return bool((await daemon.counts("hook"))["state"] == state)

    await eventually(look, what=f"it is {state}")


async def test_a_key_that_is_refused_fires_until_it_is_corrected(tmp_path: Path, vendor: FakeVendor) -> None:
    """A paused destination takes no ingestion out of a balancer, and is named with its code."""
    async with Daemon(tmp_path, [hook(vendor)]) as daemon:
        drill = Drill(daemon, "DestinationPaused", DESTINATION="hook")
        await drill.is_calm()
        vendor.default = Reply(401, json={"error": "the key is secret-words"})
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await drill.fires()
        told = await daemon.get("/readyz")
        assert told["status"] == "ready"
        [trouble] = told["troubles"]
        assert (trouble["code"], trouble["subject"], trouble["next_step"]) == (
            "credentials", "hook", "correct the key and reload",
        )  # fmt: skip
        assert "secret-words" not in str(told), "the vendor's words need a token"
        assert (await daemon.get("/healthz"))["troubles"] == told["troubles"]
        await drill.shows("the vendor refused our key")
        vendor.default = OK
        await drill.ends()
        assert await daemon.fate("m1", "hook") == ("delivered", "")


async def test_a_plugin_that_held_up_all_others_fires_until_it_has_a_thread(tmp_path: Path, vendor: FakeVendor) -> None:
    slow, neighbour = tables(vendor, slow_hooks="pause")
    async with Daemon(tmp_path, [slow, neighbour]) as daemon:
        drill = Drill(daemon, "DestinationFaulty", DESTINATION="slow")
        await drill.is_calm()
        for n in range(8):
            await daemon.post("track", userId="u1", event="map", messageId=f"m{n}", properties={"s": 0.15})
        await drill.fires()
        await drill.shows("its plugin held up all other destinations")
        slow["delivery"] = {"isolation": "thread"}
        daemon.write_config()
        await drill.ends()


async def test_a_vendor_that_is_down_fires_until_it_answers(tmp_path: Path, vendor: FakeVendor) -> None:
    async with Daemon(tmp_path, [hook(vendor)]) as daemon:
        drill = Drill(daemon, "BreakerOpen", DESTINATION="hook")
        await drill.is_calm()
        vendor.default = Reply(503)
        for n in range(30):
            await daemon.post("track", userId=f"u{n}", event="E")
        await drill.fires()
        await drill.shows("fails again and again")
        vendor.default = OK
        await drill.ends()
        assert "is running: " in drill.said, "`resume` says what happens"


async def test_a_pause_that_was_forgotten_fires_until_it_is_resumed(tmp_path: Path, vendor: FakeVendor) -> None:
    async with Daemon(tmp_path, [hook(vendor)]) as daemon:
        drill = Drill(daemon, "PausedForLong", DESTINATION="hook")
        await drill.is_calm()
        assert (await daemon.admin("POST", "/api/destinations/hook/pause", {"reason": "the move"}))[0] == 200
        await drill.fires()
        await drill.shows("the move")
        await drill.ends()


async def test_a_destination_that_stops_and_starts_fires(tmp_path: Path, vendor: FakeVendor) -> None:
    async with Daemon(tmp_path, [hook(vendor)]) as daemon:
        drill = Drill(daemon, "DestinationFlaps", DESTINATION="hook")
        await drill.is_calm()

        async def stops_and_starts() -> None:
            vendor.script(Reply(401))
            await daemon.post("track", userId="u1", event="E")
            await state_is(daemon, "paused")
            assert (await daemon.admin("POST", "/api/destinations/hook/resume"))[0] == 200
            await daemon.settled()

        await stops_and_starts()
        await drill.is_calm()
        await drill.fires(again=stops_and_starts)
        await drill.shows("401")
        daemon.destinations[0]["delivery"] = {"concurrency": 1}
        daemon.write_config()
        await drill.ends()


async def test_a_cursor_that_does_not_move_fires_until_a_restart(tmp_path: Path, vendor: FakeVendor) -> None:
    """The vendor does not answer, and the time-out is far away."""
    bounds = {
        "explain.troubles.STANDS_S": 0.3,
        "daemon.cursor_watch.LOOK_S": 0.1,
        "daemon.shutdown.DRAIN_S": 1.0,
    }
    table = hook(vendor, delivery={"timeout": "10m"})
    async with tuned(tmp_path, [table], bounds) as daemon:
        drill = Drill(daemon, "CursorStuck", DESTINATION="hook")
        await drill.is_calm()
        vendor.script(Hang())
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await drill.fires()
        told = await daemon.get("/readyz")
        assert (told["status"], [one["code"] for one in told["troubles"]]) == ("ready", ["cursor_stuck"])
        await drill.shows("running")
        table["delivery"] = {"timeout": "5s"}
        daemon.write_config()
        await drill.ends()
        await daemon.becomes("m1", "hook", "delivered")


async def test_a_rate_that_is_too_low_fires_until_it_is_raised(tmp_path: Path, vendor: FakeVendor) -> None:
    """More is queued than `rate` lets pass."""
    table = hook(vendor, delivery={"rate": "1/s"})
    async with tuned(tmp_path, [table], {"explain.troubles.LATE_S": 0.5}) as daemon:
        drill = Drill(daemon, "Undelivered", DESTINATION="hook")
        await drill.is_calm()
        await daemon.batch([{"type": "track", "userId": "u1", "event": "E"} for _ in range(60)])
        await drill.fires()
        await drill.shows("queued")
        table["delivery"] = {"rate": "1000/s"}
        daemon.write_config()
        await drill.ends()


async def test_dead_letters_fire_until_they_are_replayed(tmp_path: Path, vendor: FakeVendor) -> None:
    async with Daemon(tmp_path, [hook(vendor)]) as daemon:
        drill = Drill(daemon, "DeadLetters", DESTINATION="hook")
        await drill.is_calm()
        vendor.default = Reply(422, json={"error": "no such field"})
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.becomes("m1", "hook", "dead")
        await drill.fires()
        await drill.shows("no such field")
        vendor.default = OK
        await drill.ends()
        await daemon.becomes("m1", "hook", "delivered")


class OwnPlugins(Daemon):
    """A daemon with a folder of plugins of its own."""

    def write_config(self) -> None:
        super().write_config()
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text.replace(str(PLUGINS), str(self.folder / "plugins")), encoding="utf-8")


async def test_a_plugin_that_raises_fires_until_it_is_corrected(tmp_path: Path, vendor: FakeVendor) -> None:
    """The plugin is replaced by one that is corrected."""
    (tmp_path / "plugins").mkdir()
    code = (Path(__file__).parent / "plugins/collector.py").read_text()
    plugin, fault = tmp_path / "plugins/breaks.py", "return _item(event, context, event.properties.get"
    assert fault in code
    plugin.write_text(code.replace(fault, 'raise ValueError("of the plugin")\n        ' + fault))
    table = destination("hook", "breaks", {"base_url": vendor.url})
    async with OwnPlugins(tmp_path, [table]) as daemon:
        drill = Drill(daemon, "PluginFails", DESTINATION="hook")
        await drill.is_calm()
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.becomes("m1", "hook", "dead", "plugin_error")
        await drill.fires()
        await drill.shows("of the plugin")
        plugin.write_text(code)
        await drill.ends()
        await daemon.becomes("m1", "hook", "delivered")


async def test_group_calls_that_a_filter_stops_fire_until_they_are_replayed(tmp_path: Path, vendor: FakeVendor) -> None:
    table = hook(vendor, gated=True)
    async with Daemon(tmp_path, [table]) as daemon:
        drill = Drill(daemon, "GroupCallsFiltered", DESTINATION="hook")
        await daemon.post("group", userId="u0", groupId="g0", traits={"name": "G"}, messageId="g0")
        await daemon.post("track", userId="u0", event="E", messageId="m0")
        await daemon.becomes("m0", "hook", "delivered")
        table["filter"] = 'type != "group"'
        daemon.write_config()
        await daemon.reload()
        await drill.is_calm()
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.becomes("m1", "hook", "held")
        await daemon.post("group", userId="u1", groupId="g1", traits={"name": "G"}, messageId="g1")
        await drill.fires()
        await drill.shows("u1")
        table["filter"] = ""
        daemon.write_config()
        await drill.ends()
        await daemon.becomes("m1", "hook", "delivered")
        await daemon.settled()
        assert sorted(item["id"] for seen in vendor.requests for item in seen.json()) == ["g0", "g1", "m0", "m1"]


async def test_what_is_held_for_long_fires_until_it_is_released(tmp_path: Path, vendor: FakeVendor) -> None:
    async with tuned(tmp_path, [hook(vendor, gated=True)], {"explain.troubles.LONG_HOLD_S": 0.0}) as daemon:
        drill = Drill(daemon, "HoldGrows", DESTINATION="hook", USER="u1", GROUP="g1", NAME="Acme")
        await drill.is_calm()
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.becomes("m1", "hook", "held")
        await drill.fires()
        await drill.shows("u1")
        await drill.ends()
        await daemon.becomes("m1", "hook", "delivered")
