"""The alerts about the store and its disk: each fires when its trouble is caused, and its runbook's commands end it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from router.testing.vendor import FakeVendor
from tests.flow.drill import Drill, free_space, on_small_disk, tuned
from tests.flow.harness import AUTHORIZATION, Daemon, destination, eventually
from tests.flow.odd_daemon import OddDaemon, odd_machine

__all__ = ["odd_machine"]

pytestmark = pytest.mark.long

HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
BIG = {"text": "x" * 30_000}


@contextmanager
def another_process(store: Path, first: str) -> Iterator[None]:
    """What a `sqlite3` shell with an open transaction does to the store."""
    db = sqlite3.connect(store, isolation_level=None)
    try:
        db.execute(first)
        db.execute("SELECT count(*) FROM log").fetchone()
        yield
    finally:
        db.close()


async def answered(daemon: Daemon, status: int) -> None:
    """Send until a call is answered so."""

    async def sent() -> bool:
        call = {"userId": "u1", "event": "E"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{daemon.url}/v1/track", json=call, headers=AUTHORIZATION) as told,
        ):
            return told.status == status

    await eventually(sent, what=f"an answer {status}")


@pytest.mark.parametrize(("free", "words"), [(900_000, "deliveries go on"), (400_000, "only what frees room goes on")])
async def test_a_disk_below_its_reserve_fires_until_there_is_room(tmp_path: Path, free: int, words: str) -> None:
    """Below min_free, and below half of it. It is ready again as soon as there is room."""
    daemon = tuned(tmp_path, [HOOK], {"daemon.disk_watch.CHECK_INTERVAL_S": 1e6})
    on_small_disk(daemon)
    async with daemon:
        drill = Drill(daemon, "DiskReserve")
        await drill.is_calm()
        free_space(daemon, free)
        await drill.fires()
        status, told = await daemon.admin("GET", "/readyz")
        assert (status, [one["code"] for one in told["troubles"]]) == (
            503,
            ["disk_low" if free > 500_000 else "disk_full"],
        )
        assert words in await drill.look()
        free_space(daemon, 10**12)
        await eventually(daemon.is_ready, what="events are stored again")
        await drill.ends()


async def test_a_store_that_uses_half_of_its_disk_fires_while_a_destination_is_behind(tmp_path: Path) -> None:
    async with FakeVendor() as vendor:
        hook = destination("hook", "collector", {"base_url": vendor.url})
        daemon = tuned(tmp_path, [hook], {"daemon.disk_watch.CHECK_INTERVAL_S": 0.1})
        on_small_disk(daemon)
        async with daemon:
            drill = Drill(daemon, "StoreHalfFull", DESTINATION="hook")
            await drill.is_calm()
            assert (await daemon.admin("POST", "/api/destinations/hook/pause"))[0] == 200
            await daemon.batch([{"type": "track", "userId": "u", "event": "E", "properties": BIG} for _ in range(16)])
            free_space(daemon, 1_100_000)
            await drill.fires()
            assert await daemon.is_ready(), "events are stored still"
            assert "behind are hook by 16 events" in await drill.look()
            free_space(daemon, 10**12)
            await drill.ends()


async def test_a_lock_of_another_process_fires_until_it_lets_go(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon:
        drill = Drill(daemon, "StoreLocked")
        await drill.is_calm()
        with another_process(daemon.store, "BEGIN IMMEDIATE"):
            await answered(daemon, 503)
            await drill.fires()
            assert (await daemon.admin("GET", "/readyz"))[0] == 503
            assert "holds a lock on the store" in await drill.look()
        await answered(daemon, 200)
        await drill.ends()
        assert await daemon.is_ready()


async def test_a_router_that_a_balancer_turned_away_from_finds_out_itself_that_the_lock_is_gone(tmp_path: Path) -> None:
    """No event comes that would show it: what the router writes once a minute does."""
    async with tuned(tmp_path, [HOOK], {"daemon.counting.MINUTE_MS": 200}) as daemon:
        with another_process(daemon.store, "BEGIN IMMEDIATE"):
            await answered(daemon, 503)
            assert not await daemon.is_ready()
        await eventually(daemon.is_ready, what="it is ready again")


async def test_a_reader_that_keeps_the_wal_from_being_emptied_fires_until_it_ends(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon:
        drill = Drill(daemon, "WalLarge")
        await drill.is_calm()
        calls = [{"type": "track", "userId": "u", "event": "E", "properties": BIG} for _ in range(16)]
        wal = daemon.store.with_name(f"{daemon.store.name}-wal")
        with another_process(daemon.store, "BEGIN"):
            while wal.stat().st_size < 140_000_000:
                await daemon.batch(calls)
            await drill.fires()
            await drill.look()
        await daemon.settled()

        async def emptied() -> bool:
            await daemon.batch(calls)
            return wal.stat().st_size < 128 << 20

        await eventually(emptied, what="it is emptied with the next events")
        await drill.ends()


async def test_a_slow_disk_fires_until_it_is_fast(odd_machine: Path) -> None:
    async with OddDaemon(odd_machine, [HOOK]) as daemon:
        drill = Drill(daemon, "SyncSlow", FILE=str(odd_machine / "b.tar.zst"))

        async def sends() -> None:
            await daemon.post("track", userId="u1", event="E")

        await sends()
        await drill.is_calm()
        daemon.disk("sync wal SLOW 0.4")
        await drill.fires(again=sends)
        await drill.look()
        daemon.disk()
        await drill.ends(again=sends)
        assert (odd_machine / "b.tar.zst").exists()


async def test_no_backup_fires_until_one_is_made(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK], store={"backup_max_age": "1h"}) as daemon:
        (tmp_path / "backups").mkdir()
        assert (await daemon.get("/healthz"))["troubles"][0]["code"] == "backup_old"
        drill = Drill(daemon, "BackupOld", FILE=str(tmp_path / "backups"))
        await drill.fires()
        assert "no backup of the store is known" in await drill.look()
        await drill.ends()
        assert (await daemon.get("/healthz"))["troubles"] == []
