"""The alerts about the router itself: each fires when its trouble is caused, and its runbook's commands end it."""

from __future__ import annotations

import resource
from base64 import b64encode
from pathlib import Path

import pytest

from router.testing.vendor import FakeVendor
from tests.flow.drill import Drill, answered, free_space, on_small_disk, status_of, tuned
from tests.flow.harness import Daemon, Table, destination
from tests.flow.odd_daemon import OddDaemon, odd_machine

__all__ = ["odd_machine"]

pytestmark = pytest.mark.long

HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")


async def test_a_router_that_is_gone_fires_until_it_is_started(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon:
        drill = Drill(daemon, "RouterGone")
        await drill.is_calm()
        daemon.kill()
        await drill.fires()
        await drill.shows("segment-router is not running")
        await drill.ends()


async def test_a_router_that_ends_again_and_again_fires(odd_machine: Path) -> None:
    """Its disk refuses to make a transaction durable."""
    async with OddDaemon(odd_machine, [HOOK], "store_failed") as daemon:
        drill = Drill(daemon, "RouterRestarts")
        await drill.is_calm()
        starts = 0

        async def ends_by_itself() -> None:
            nonlocal starts
            if starts < 3:
                daemon.disk("sync wal IOERR_FSYNC")
                assert await status_of(daemon) == 503
                assert await daemon.ended() == 1
                daemon.disk()
                await daemon.restart()
                starts += 1

        await drill.fires(again=ends_by_itself)
        await drill.shows("store_failed")
        await drill.ends()


async def test_answers_503_fire_until_events_can_be_stored(tmp_path: Path) -> None:
    waits = {"daemon.disk_watch.CHECK_INTERVAL_S": 1e6}
    daemon = tuned(tmp_path, [HOOK], waits, "store_full")
    on_small_disk(daemon)
    async with daemon:
        drill = Drill(daemon, "RequestsRefused")
        await drill.is_calm()
        free_space(daemon, 900_000)
        await answered(daemon, 503)

        async def sends() -> None:
            assert await status_of(daemon) in (200, 503)

        await drill.fires(again=sends)
        await drill.shows("store.min_free")
        free_space(daemon, 10**12)
        await answered(daemon, 200)
        await drill.ends(again=sends)


async def test_a_write_key_that_no_source_has_fires_until_a_source_has_it(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon:
        drill = Drill(daemon, "WriteKeyRefused")
        for _ in range(20):
            assert await status_of(daemon) == 200
        await drill.is_calm()
        other = {"Authorization": "Basic " + b64encode(b"wk_of_staging:").decode()}

        async def sends() -> None:
            await status_of(daemon, other)

        await drill.fires(again=sends)
        await drill.shows("website segment …23 yes")
        daemon.source["write_key"] = ["wk_test_123", "wk_of_staging"]
        daemon.write_config()
        await drill.ends(again=sends)
        assert await status_of(daemon, other) == 200


async def test_a_plugin_that_holds_the_loop_fires_until_it_has_a_thread(tmp_path: Path) -> None:
    bounds = {"explain.troubles.LOOP_LATE_S": 3.0, "daemon.loop_watch.SLOT_S": 1.0}
    async with FakeVendor() as vendor:
        slow: Table = destination("slow", "sloth", {"base_url": vendor.url})
        async with tuned(tmp_path, [slow], bounds) as daemon:
            drill = Drill(daemon, "LoopLag", DESTINATION="slow")
            await drill.is_calm()
            await daemon.post("track", userId="u1", event="map", messageId="m1", properties={"s": 4.5})
            await daemon.becomes("m1", "slow", "delivered")
            await drill.fires()
            await drill.shows("hook track held the event loop")
            slow["delivery"] = {"isolation": "thread"}
            daemon.write_config()
            await drill.ends()
            await daemon.post("track", userId="u1", event="map", messageId="m2", properties={"s": 4.5})
            await daemon.becomes("m2", "slow", "delivered")
            lags = (await drill.scrape())["segment_router_loop_lag_seconds"]
            assert lags[frozenset({("destination", "slow")})] > 3.0, "its own loop is late, and nobody else's"


async def test_a_config_that_was_refused_fires_until_a_reload_is_taken(tmp_path: Path) -> None:
    async with tuned(tmp_path, [HOOK], {}, "config_reload_failed") as daemon:
        drill = Drill(daemon, "ReloadRefused")
        await drill.is_calm()
        good = daemon.config.read_text()
        daemon.config.write_text(good.replace("[log]", "[logs]"))
        assert (await daemon.admin("POST", "/api/reload"))[0] == 409
        await drill.fires()
        await drill.shows("the last reload was refused", "correct config.toml, then reload", 'unknown key "logs"')
        daemon.config.write_text(f"{good}\ngarbage = [\n")
        assert (await daemon.admin("POST", "/api/reload"))[0] == 409
        await drill.shows("segment-router is running", "what begins there does not end")  # the file is no TOML at all
        daemon.config.write_text(good)
        await drill.ends()


async def test_a_clock_that_jumped_fires_until_a_restart(odd_machine: Path) -> None:
    async with OddDaemon(odd_machine, [HOOK]) as daemon:
        drill = Drill(daemon, "ClockJumped")
        await drill.is_calm()
        daemon.wall(3600)
        await daemon.post("track", userId="u1", event="E")
        await drill.fires()
        await drill.shows("jumped forward by")
        await drill.ends()


async def test_few_descriptors_left_fire_until_the_limit_is_raised(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon:
        drill = Drill(daemon, "DescriptorsLow")
        await drill.is_calm()
        assert daemon.process is not None
        in_use = next(iter((await drill.scrape())["process_open_fds"].values()))
        limit = int(in_use * 1.2)
        before = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
        await drill.fires()
        await drill.shows(f"may have {limit:,} open files")
        await drill.ends()
