"""Troubles of the store: its disk has too little room or refuses a write, another process holds it, nobody made a backup, its database is
away or cannot be trimmed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from router.testing.vendor import FakeVendor
from tests.browser.state import CONSOLE, DRY, Seen, Shown
from tests.flow.drill import answered, free_space, on_small_disk, tuned
from tests.flow.harness import Daemon, destination, eventually
from tests.flow.odd_daemon import OddDaemon, on_odd_machine
from tests.flow.test_alerts_store import BIG, another_process
from tests.postgres_server import running


async def is_told(daemon: Daemon, code: str) -> None:
    """Wait until the daemon tells of this trouble."""

    async def found() -> bool:
        told = await daemon.admin("GET", "/healthz")
        return code in [one["code"] for one in told[1]["troubles"]]

    await eventually(found, what=f"{code} is told")


@asynccontextmanager
async def held_store(folder: Path) -> AsyncIterator[Shown]:
    """A paused tool keeps what the store would trim, another process holds a lock, and there is no backup."""
    async with FakeVendor() as vendor:
        hook = destination("hook", "collector", {"base_url": vendor.url})
        bounds = {"daemon.disk_watch.CHECK_INTERVAL_S": 0.1}
        daemon = tuned(folder, [hook], bounds, store={"backup_max_age": "1h"}, console=CONSOLE)
        on_small_disk(daemon)
        async with daemon:
            assert (await daemon.admin("POST", "/api/destinations/hook/pause", {"reason": "moving house"}))[0] == 200
            await daemon.batch([{"type": "track", "userId": "u", "event": "E", "properties": BIG} for _ in range(16)])
            free_space(daemon, 1_100_000)
            await is_told(daemon, "store_half_full")
            with another_process(daemon.store, "BEGIN IMMEDIATE"):
                await answered(daemon, 503)
                troubles = (
                    "holds a lock on the store",
                    "behind are hook by 16 events",
                    "no backup of the store is known",
                )
                yield Shown(daemon.admin_url, {"held store": Seen("/", troubles[0], also=troubles[1:])})
            await answered(daemon, 200)


@asynccontextmanager
async def low_disk(folder: Path) -> AsyncIterator[Shown]:
    """Less room than `store.min_free`, and more than half of it: what is stored still goes out."""
    daemon = tuned(folder, [DRY], {}, console=CONSOLE)
    on_small_disk(daemon)
    async with daemon:
        free_space(daemon, 900_000)
        await is_told(daemon, "disk_low")
        yield Shown(daemon.admin_url, {"low disk": Seen("/", "deliveries go on")})
        free_space(daemon, 10**12)
        await eventually(daemon.is_ready, what="events are stored again")


BREAKS = """
import router.daemon.shutdown as module
wait = module.Shutdown.wait

async def wait_for_the_picture(self, *events):
    words = await wait(self, *events)
    await self.requested.wait()
    return words

module.Shutdown.wait = wait_for_the_picture
"""
"""A router whose store is broken ends at once; this one ends when it is told to."""


@asynccontextmanager
async def broken_store(folder: Path) -> AsyncIterator[Shown]:
    """The disk refuses a sync, so nothing can be written any more."""
    with on_odd_machine(folder):
        daemon = OddDaemon(folder, [DRY], "store_failed", console=CONSOLE)
        daemon.tune(BREAKS)
        async with daemon:
            await daemon.post("track", userId="u1", event="E", messageId="m1")
            await daemon.settled()
            daemon.disk("sync wal IOERR_FSYNC")
            await answered(daemon, 503)
            yield Shown(
                daemon.admin_url, {"broken store": Seen("/", "the store cannot write", also=["see to the disk"])}
            )
            assert await daemon.terminate() == 1


@asynccontextmanager
async def not_trimmed(folder: Path) -> AsyncIterator[Shown]:
    """Somebody changed a table of the shared database."""
    with running(fsync=True) as server:
        dsn = server.dsn(await server.database())
        often = {"store.postgres.housekeeping.IDLE_S": 0.1}
        async with tuned(folder, [DRY], often, store={"url": dsn}, console=CONSOLE) as daemon:
            database = await asyncpg.connect(dsn)
            await database.execute("ALTER TABLE duty RENAME TO hidden")
            await is_told(daemon, "store_not_trimmed")
            pages = {"database not trimmed": Seen("/", "nothing is trimmed, so the database grows")}
            yield Shown(daemon.admin_url, pages)
            await database.execute("ALTER TABLE hidden RENAME TO duty")
            await database.close()


@asynccontextmanager
async def database_away(folder: Path) -> AsyncIterator[Shown]:
    """The shared database is gone while its pages are open."""
    with running(fsync=True) as server:
        name = await server.database()
        async with Daemon(folder, [DRY], store={"url": server.dsn(name)}, console=CONSOLE) as daemon:
            await daemon.post("track", userId="u1", event="E", messageId="m1")
            await daemon.settled()

            async def stop() -> None:
                server.stop()
                await answered(daemon, 503)

            yield Shown(daemon.admin_url, {"database away": Seen("/", "cannot be reached")}, stop)
            server.start()
            await server.ready()
            await daemon.ready()
