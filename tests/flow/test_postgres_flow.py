"""The postgres destination in a real daemon and on a real server: both are killed at any moment, and every event is there once."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.flow.harness import Daemon, destination, eventually
from tests.postgres_server import Server, running

KILLS = 6


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


async def ask(dsn: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_every_event_is_there_once_while_the_daemon_and_the_database_are_killed(
    tmp_path: Path, server: Server
) -> None:
    chance = random.Random(5)
    dsn = server.dsn(await server.database())
    daemon = Daemon(tmp_path, [destination("db", "postgres", {"dsn": dsn})])
    sent: list[str] = []

    async def kill_both() -> None:
        for victim in chance.choices(("daemon", "database"), k=KILLS):
            if victim == "daemon":
                await daemon.kill_after(chance.uniform(0.0, 0.4))
                await daemon.restart()
            else:
                await asyncio.to_thread(server.stop)
                server.start()
                await server.ready()

    async with daemon:
        killing = asyncio.create_task(kill_both())
        while not killing.done() or len(sent) < 100:
            n = len(sent)
            call = {"userId": f"u{n % 7}", "event": f"E{n % 3}", "messageId": f"m{n}", "properties": {f"p{n % 11}": n}}
            await daemon.post_until_taken("track", call)
            sent.append(f"m{n}")
        await killing
        ledger = await daemon.settled()
        assert ledger["destinations"]["db"]["delivered"] == ledger["accepted"] == len(sent)
    tracks = [row[0] for row in await ask(dsn, "SELECT id FROM website.tracks")]
    assert sorted(tracks) == sorted(sent)
    own = await ask(
        dsn,
        "SELECT count(*) FROM (SELECT id FROM website.e0 UNION ALL SELECT id FROM website.e1 UNION ALL SELECT id FROM website.e2) AS t",
    )
    assert own == [(len(sent),)]


async def test_a_wrong_password_pauses_loses_nothing_and_is_written_nowhere(tmp_path: Path, server: Server) -> None:
    database = await server.database()
    wrong, right = server.dsn(database, password="wr0ng-s3cret"), server.dsn(database)
    daemon = Daemon(tmp_path, [destination("db", "postgres", {"dsn": wrong})], log={"level": "debug"})
    async with daemon:
        await daemon.post("track", userId="u1", event="Opened", messageId="m1")

        async def paused() -> bool:
            return bool((await daemon.counts("db"))["state_reason"] == "credentials")

        await eventually(paused)
        shown = json.dumps([await daemon.message("m1"), await daemon.get("/api/destinations")])
        daemon.destinations = [destination("db", "postgres", {"dsn": right})]
        await daemon.reload()
        await daemon.becomes("m1", "db", "delivered", "")
        shown += json.dumps(await daemon.get("/api/configuration"))
    assert await ask(right, "SELECT id FROM website.opened") == [("m1",)]
    assert "s3cret" not in shown
    assert files_with(tmp_path, b"s3cret") == ["config.toml"]


def files_with(folder: Path, word: bytes) -> list[str]:
    """The files in which a word stands."""
    return [path.name for path in folder.iterdir() if path.is_file() and word in path.read_bytes()]


async def test_a_dry_run_connects_to_nothing_and_shows_the_rows(tmp_path: Path) -> None:
    dry = destination("dry", "postgres", {"dsn": {"env": "NOT_SET_DSN"}}, mode="dry-run")
    async with Daemon(tmp_path, [dry]) as daemon:
        await daemon.post("track", userId="u1", event="Opened", messageId="m1", properties={"plan": "gold"})
        await daemon.becomes("m1", "dry", "delivered", "dry_run")
        shown = json.dumps((await daemon.message("m1"))["destinations"]["dry"]["attempts"])
        assert "opened" in shown
        assert "gold" in shown
