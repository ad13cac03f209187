"""The alerts about the store and its disk: each fires when its trouble is caused, and its runbook's commands end it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from router.testing.vendor import FakeVendor
from tests.flow.drill import Drill, answered, filler, free_space, on_small_disk, status_of, tuned
from tests.flow.harness import Daemon, destination, eventually
from tests.flow.odd_daemon import OddDaemon, odd_machine

__all__ = ["odd_machine"]

pytestmark = pytest.mark.long

HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
BIG = {"text": "x" * 30_000}


SHELL = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute(sys.argv[2])
db.execute("SELECT count(*) FROM log").fetchone()
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(store: Path, first: str) -> Iterator[str]:
    """What a `sqlite3` shell with an open transaction does to the store. Gives its PID."""
    command = [sys.executable, "-c", SHELL, str(store), first]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        try:
            yield str(process.pid)
        finally:
            process.kill()


@pytest.mark.parametrize(("free", "words"), [(900_000, "deliveries go on"), (400_000, "only what frees room goes on")])
async def test_a_disk_below_its_reserve_fires_until_there_is_room(tmp_path: Path, free: int, words: str) -> None:
    """Below min_free, and below half of it. It is ready again as soon as there is room."""
    daemon = tuned(tmp_path, [HOOK], {"daemon.disk_watch.CHECK_INTERVAL_S": 1e6})
    on_small_disk(daemon)
    async with daemon:
        drill = Drill(daemon, "DiskReserve", FOLDER=str(tmp_path), FILE=str(filler(daemon)))
        await drill.is_calm()
        free_space(daemon, free)
        await drill.fires()
        status, told = await daemon.admin("GET", "/readyz")
        assert (status, [one["code"] for one in told["troubles"]]) == (
            503,
            ["disk_low" if free > 500_000 else "disk_full"],
        )
        await drill.shows(words, str(filler(daemon)))
        await drill.ends()
        await eventually(daemon.is_ready, what="events are stored again")


async def test_a_store_that_uses_half_of_its_disk_fires_while_a_destination_is_behind(tmp_path: Path) -> None:
    async with FakeVendor() as vendor:
        hook = destination("hook", "collector", {"base_url": vendor.url})
        daemon = tuned(tmp_path, [hook], {"daemon.disk_watch.CHECK_INTERVAL_S": 0.1})
        on_small_disk(daemon)
        async with daemon:
            drill = Drill(daemon, "StoreHalfFull", DESTINATION="hook", FILE=str(filler(daemon)))
            await drill.is_calm()
            assert (await daemon.admin("POST", "/api/destinations/hook/pause"))[0] == 200
            await daemon.batch([{"type": "track", "userId": "u", "event": "E", "properties": BIG} for _ in range(16)])
            free_space(daemon, 1_100_000)
            await drill.fires()
            assert await daemon.is_ready(), "events are stored still"
            await drill.shows("behind are hook by 16 events")
            await drill.ends()


async def test_a_lock_of_another_process_fires_until_it_lets_go(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon:
        with another_process(daemon.store, "BEGIN IMMEDIATE") as pid:
            drill = Drill(daemon, "StoreLocked", STORE=str(daemon.store), PID=pid)
            await answered(daemon, 503)
            await drill.fires()
            assert (await daemon.admin("GET", "/readyz"))[0] == 503
            await drill.shows("holds a lock on the store", "`lsof` on the store's file names it", f" {pid} ")

            async def sends() -> None:
                await status_of(daemon)

            await drill.ends(again=sends)
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
        calls = [{"type": "track", "userId": "u", "event": "E", "properties": BIG} for _ in range(16)]
        wal = daemon.store.with_name(f"{daemon.store.name}-wal")
        with another_process(daemon.store, "BEGIN") as pid:
            drill = Drill(daemon, "WalLarge", STORE=str(daemon.store), PID=pid)
            await drill.is_calm()
            while wal.stat().st_size < 140_000_000:
                await daemon.batch(calls)
            await drill.fires()
            await drill.shows(f" {pid} ")

            async def sends() -> None:
                await daemon.batch(calls)

            await drill.ends(again=sends)


async def test_a_slow_disk_fires_until_it_is_fast(odd_machine: Path) -> None:
    async with OddDaemon(odd_machine, [HOOK]) as daemon:
        drill = Drill(daemon, "SyncSlow", FILE=str(odd_machine / "b.tar.zst"))

        async def sends() -> None:
            await daemon.post("track", userId="u1", event="E")

        await sends()
        await drill.is_calm()
        daemon.disk("sync wal SLOW 0.4")
        await drill.fires(again=sends)
        await drill.shows("a sync of 8,192 bytes takes")
        daemon.disk()
        await drill.ends(again=sends)
        assert (odd_machine / "b.tar.zst").exists()


async def test_no_backup_fires_until_one_is_made(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK], store={"backup_max_age": "1h"}) as daemon:
        (tmp_path / "backups").mkdir()
        assert (await daemon.get("/healthz"))["troubles"][0]["code"] == "backup_old"
        drill = Drill(daemon, "BackupOld", FILE=str(tmp_path / "backups"))
        await drill.fires()
        await drill.shows("no backup of the store is known")
        await drill.ends()
        assert (await daemon.get("/healthz"))["troubles"] == []
