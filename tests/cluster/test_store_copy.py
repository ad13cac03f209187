"""`store copy` as people use it: a daemon on a file is killed with events held, dead, retrying and a replay under way; its store is copied into a
database, a daemon goes on there, and back again. A real vendor counts what arrives.

`CLUSTER=long` asks for 100,000 events in place of 3,000.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from router.store import DeadLetterFilter, Queries
from router.store.forgotten import Forgotten
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Database
from router.store.postgres.queries import PostgresQueries
from router.store.sqlite.connection import open_reader
from router.store.sqlite.queries import Queries as SqliteQueries
from router.testing.clock import FakeClock
from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.harness import Daemon, Table, assert_ledger_adds_up, destination, eventually
from tests.flow.verbs import Command
from tests.patience import HANG_S
from tests.postgres_server import PASSWORD, Server, running

EVENTS = 100_000 if os.environ.get("CLUSTER") == "long" else 3_000
USERS, BATCH = max(40, EVENTS // 500), 100
PATIENCE_S = HANG_S * max(1, EVENTS // 10_000)
ASKED = 1_000
"""Messages of which `why` is compared."""
NAMES = ("open", "gated", "picky", "busy", "visits")
NOW_MS = 1_900_000_000_000

pytestmark = [pytest.mark.long, pytest.mark.timeout(0 if EVENTS > 10_000 else 600)]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(fsync=True) as server:
        yield server


class Vendors:
    """What the destinations answer: `busy` only while the vendor is well, `picky` refuses some events for good."""

    def __init__(self) -> None:
        self.is_well = False

    def answer(self, request: Received) -> Reply:
        path, items = request.url.split("/")[1], request.json()
        assert isinstance(items, list)
        if path == "busy" and not self.is_well:
            return Reply(503)
        if path == "picky" and any(is_refused(str(item["id"])) for item in items):
            return Reply(422)
        return Reply(200, json={}, delay_s=0.0 if self.is_well or path != "slow" else 0.05)


def is_refused(message_id: str) -> bool:
    return message_id.endswith("77")


def tables(vendor: FakeVendor) -> list[Table]:
    retries = {"delivery": {"timeout": "60s", "concurrency": 4}}
    found = [
        destination(name, "collector", {"base_url": f"{vendor.url}/{name}", "gated": name == "gated"}, **retries)
        for name in NAMES[:-1]
    ]
    return [*found, destination("visits", "sessions", {"base_url": f"{vendor.url}/visits", "silence_s": 86_400.0})]


def call(n: int) -> dict[str, Any]:
    return {"type": "track", "userId": f"u{n % USERS}", "event": "E", "messageId": f"m{n}", "properties": {"n": n}}


async def send(daemon: Daemon, numbers: range) -> None:
    for first in range(numbers.start, numbers.stop, BATCH):
        await daemon.batch([call(n) for n in range(first, min(first + BATCH, numbers.stop))])


def first_arrivals(vendor: FakeVendor, name: str) -> dict[str, list[int]]:
    """By user the numbers of the tracks that arrived at a destination, each when it came first and was taken."""
    found: dict[str, dict[int, None]] = {}
    for seen in vendor.requests:
        if seen.url.startswith(f"/{name}/"):
            items = seen.json()
            assert isinstance(items, list)
            for item in items:
                if item["type"] == "track" and not (name == "picky" and any(is_refused(one["id"]) for one in items)):
                    found.setdefault(item["user"], {})[item["n"]] = None
    return {user: list(numbers) for user, numbers in found.items()}


# ---------------------------------------------------------------- what two stores say


@asynccontextmanager
async def asked_of_file(path: Path) -> AsyncIterator[Queries]:
    connection = await open_reader(path)
    try:
        yield SqliteQueries(connection, lambda: NOW_MS)
    finally:
        await connection.close()


@asynccontextmanager
async def asked_of_database(dsn: str) -> AsyncIterator[Queries]:
    database = Database(dsn, FakeClock())
    await database.open()
    try:
        yield PostgresQueries(database, Blocks(Forgotten()), lambda: NOW_MS)
    finally:
        await database.close()


async def told(queries: Queries, ids: Sequence[str]) -> dict[str, Any]:
    """All that is compared: the ledger, `why` of these messages, who is held, dead letters."""
    every = DeadLetterFilter()
    return {
        "ledger": await queries.ledger(NAMES),
        "why": {id: await queries.message(id, None, NAMES) for id in ids},
        "held": {name: await queries.held(name, None, "") for name in NAMES},
        "dead": {name: await queries.dead(name, every, None) for name in NAMES},
    }


async def copied(folder: Path, source: str, target: str) -> str:
    """`store copy`; what it printed."""
    code, out, err = await Command(folder, "store", "copy", source, target).end()
    assert code == 0, err
    assert PASSWORD not in out + err
    return out


# ---------------------------------------------------------------- the story


async def filled(daemon: Daemon) -> None:
    """Events of every kind, and a replay under way: its destination is paused behind it."""
    await send(daemon, range(EVENTS))
    await daemon.settled("open", "picky", "visits", within_s=PATIENCE_S)

    async def waits() -> bool:
        ledger = (await daemon.ledger())["destinations"]
        return bool(ledger["busy"]["retrying"] and ledger["gated"]["held"] == EVENTS)

    await eventually(waits, PATIENCE_S, "events are held and retried")
    assert (await daemon.admin("POST", "/api/destinations/open/pause", {"reason": "a copy"}))[0] == 200
    status, started = await daemon.admin("POST", "/api/destinations/open/replay", {"since": "1h"})
    assert (status, started["state"]) == (200, "running"), started
    await send(daemon, range(EVENTS, EVENTS + 50))


async def test_a_store_is_copied_with_all_that_waits_goes_on_in_the_database_and_comes_back(
    tmp_path: Path, server: Server
) -> None:
    dsn = server.dsn(await server.database())
    ids = [f"m{n}" for n in random.Random(1).sample(range(EVENTS), min(ASKED, EVENTS))]
    vendors = Vendors()
    async with AsyncExitStack() as stack:
        vendor = await stack.enter_async_context(FakeVendor(vendors.answer))
        for name in ("file", "database", "back"):
            (tmp_path / name).mkdir()
        first = Daemon(tmp_path / "file", tables(vendor))
        async with first:
            await filled(first)
            first.kill()
            out = await copied(tmp_path, f"sqlite:{first.store}", dsn)
            assert f"has all of {first.store}: {EVENTS + 50:,} accepted" in out
        async with asked_of_file(first.store) as file, asked_of_database(dsn) as database:
            before, after = await told(file, ids), await told(database, ids)
        counts = before["ledger"]["destinations"]
        assert all(
            counts[name][state]
            for name, state in (("gated", "held"), ("picky", "dead"), ("busy", "retrying"), ("open", "queued"))
        )
        assert all(before["why"].values())
        assert after == before

        vendors.is_well = True
        async with Daemon(tmp_path / "database", tables(vendor), store={"url": dsn}) as second:
            await goes_on(second, vendor, counts)
            assert await second.terminate() == 0
            back = tmp_path / "back/router.db"
            await copied(tmp_path, dsn, f"sqlite:{back}")
            async with asked_of_file(back) as file, asked_of_database(dsn) as database:
                before, after = await told(database, ids), await told(file, ids)
            assert after == before
            async with Daemon(tmp_path / "back", tables(vendor)) as third:
                await ends(third, vendor)
            await second.restart()


async def goes_on(daemon: Daemon, vendor: FakeVendor, before: dict[str, Any]) -> None:
    """In the database: the pause and the replay are there, nobody is delivered twice for the copy, and all that waits goes out."""
    assert (await daemon.counts("open"))["state"] == "paused"
    assert (await daemon.admin("GET", "/api/destinations/open/replay"))[1]["state"] == "running"
    duplicates = (await daemon.ledger())["duplicates"]
    await send(daemon, range(100))
    assert (await daemon.ledger())["duplicates"] == duplicates + 100, "each message id is known"
    assert (await daemon.admin("POST", "/api/destinations/open/resume"))[0] == 200
    await daemon.batch(
        [
            {"type": "group", "userId": f"u{n}", "groupId": f"g{n}", "messageId": f"g{n}", "traits": {"name": "Acme"}}
            for n in range(USERS)
        ]
    )
    await daemon.admin("POST", "/api/destinations/busy/resume")
    ledger = await daemon.emptied("open", "gated", "picky", "busy", within_s=PATIENCE_S)
    assert_ledger_adds_up(ledger)
    assert ledger["destinations"]["picky"]["dead"] >= before["picky"]["dead"]

    async def is_done() -> bool:
        return bool((await daemon.admin("GET", "/api/destinations/open/replay"))[1]["state"] == "done")

    await eventually(is_done, PATIENCE_S, "the replay ends")
    for name in ("open", "gated", "busy"):
        arrived = first_arrivals(vendor, name)
        assert {user: numbers for user, numbers in arrived.items() if numbers != sorted(numbers)} == {}, (
            f"{name}: out of order"
        )
        assert sum(map(len, arrived.values())) == EVENTS + 50, f"{name}: lost"


async def ends(daemon: Daemon, vendor: FakeVendor) -> None:
    """In the file again: more events come and go out, and what is known stays known."""
    duplicates = (await daemon.ledger())["duplicates"]
    await send(daemon, range(EVENTS, EVENTS + 60))
    ledger = await daemon.settled("open", "gated", "busy", within_s=PATIENCE_S)
    assert (ledger["duplicates"], ledger["accepted"]) == (duplicates + 50, EVENTS + 60 + USERS)
    assert_ledger_adds_up(ledger)
    for name in ("open", "gated", "busy"):
        assert sum(map(len, first_arrivals(vendor, name).values())) == EVENTS + 60
    rows = daemon.rows("SELECT count(*) FROM state WHERE destination = 'visits'")
    assert rows[0][0] == USERS, json.dumps(ledger)
