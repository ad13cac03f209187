"""A destination in shards on two nodes: both deliver to it, each user's events in order, whichever node dies and however many shards there are."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from router.testing.vendor import FakeVendor, Reply
from tests.flow.harness import Daemon, Table, assert_ledger_adds_up, destination, eventually
from tests.postgres_server import Server, running
from tests.sampled import every

USERS = 16


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(fsync=True) as server:
        yield server


def split(vendor: FakeVendor, shards: int) -> list[Table]:
    delivery = {"timeout": "1s", "concurrency": 8, "shards": shards}
    return [destination("open", "collector", {"base_url": f"{vendor.url}/open"}, delivery=delivery)]


@asynccontextmanager
async def nodes_with(folder: Path, server: Server, vendor: FakeVendor, shards: int) -> AsyncIterator[list[Daemon]]:
    store = {"url": server.dsn(await server.database())}
    nodes = []
    for name in ("a", "b"):
        (folder / name).mkdir()
        tables = split(vendor, shards)
        nodes.append(Daemon(folder / name, tables, store=store, cluster={"node": name, "lease": "3s"}))
    async with nodes[0] as first, nodes[1] as second:
        yield [first, second]


def owners(node: Daemon) -> list[tuple[int, str]]:
    """Of each shard the node that has it, while its lease lasts."""
    rows = node.rows("SELECT shard, owner_name FROM unit WHERE expires > clock_timestamp() ORDER BY shard")
    return [(shard, name) for shard, name in rows]


async def owned_by(node: Daemon, names: set[str], shards: int) -> None:
    """Wait until each shard has an owner, and all of these have some."""

    async def is_so() -> bool:
        found = owners(node)
        return len(found) == shards and {name for _, name in found} == names

    await eventually(is_so, what=f"{names} have {shards} shards")


async def send(node: Daemon, numbers: range) -> None:
    """One event of each user for each number, a request for each number."""
    for n in numbers:
        events = [
            {"type": "track", "userId": f"u{user}", "event": "E", "messageId": f"u{user}-{n}", "properties": {"n": n}}
            for user in range(USERS)
        ]
        await node.post("batch", batch=events)


def by_user(vendor: FakeVendor) -> dict[str, list[int]]:
    """What came of each user, in order."""
    found: dict[str, list[int]] = defaultdict(list)
    for seen in vendor.requests:
        for item in seen.json():
            found[item["user"]].append(item["n"])
    return found


def firsts(numbers: list[int]) -> list[int]:
    """Without second sendings."""
    return list(dict.fromkeys(numbers))


async def asked(node: Daemon, path: str, body: object = None) -> dict[str, Any]:
    """What a command is answered; it must be carried out."""
    status, answer = await node.admin("POST", f"/api/destinations/{path}", body)
    assert status == 200, answer
    return answer


async def test_both_nodes_deliver_and_nothing_is_sent_twice_or_out_of_order(tmp_path: Path, server: Server) -> None:
    async with FakeVendor() as vendor, nodes_with(tmp_path, server, vendor, 4) as (a, b):
        await owned_by(a, {"a", "b"}, 4)
        await send(a, range(5))
        await send(b, range(5, 10))
        ledger = await a.emptied()
        assert ledger["destinations"]["open"]["delivered"] == ledger["accepted"] == 10 * USERS
        assert by_user(vendor) == {f"u{user}": list(range(10)) for user in range(USERS)}


async def test_a_node_that_is_killed_leaves_its_shards_to_the_other_one(tmp_path: Path, server: Server) -> None:
    async with FakeVendor() as vendor, nodes_with(tmp_path, server, vendor, 4) as (a, b):
        await owned_by(a, {"a", "b"}, 4)
        await send(a, range(3))
        sending = asyncio.create_task(send(a, range(3, 8)))
        b.kill()
        await sending
        await owned_by(a, {"a"}, 4)
        ledger = await a.emptied()
        assert_ledger_adds_up(ledger)
        assert ledger["destinations"]["open"]["delivered"] == ledger["accepted"] == 8 * USERS
        assert {user: firsts(numbers) for user, numbers in by_user(vendor).items()} == {
            f"u{user}": list(range(8)) for user in range(USERS)
        }


@pytest.mark.parametrize(("before", "after"), every(2, [pytest.param(1, 4), pytest.param(4, 2)]))
async def test_a_reload_changes_their_number_and_keeps_the_order_of_each_user(
    tmp_path: Path, server: Server, before: int, after: int
) -> None:
    async with FakeVendor() as vendor, nodes_with(tmp_path, server, vendor, before) as (a, b):
        await send(a, range(3))
        sending = asyncio.create_task(send(a, range(3, 8)))
        for node in (a, b):
            node.destinations[:] = split(vendor, after)
            await node.reload()
        await sending
        await owned_by(a, {"a", "b"}, after)
        await send(b, range(8, 10))
        ledger = await b.emptied()
        assert ledger["destinations"]["open"]["delivered"] == ledger["accepted"] == 10 * USERS
        assert by_user(vendor) == {f"u{user}": list(range(10)) for user in range(USERS)}


async def test_a_key_that_one_shard_finds_wrong_pauses_all_of_them_until_somebody_resumes(
    tmp_path: Path, server: Server
) -> None:
    async with FakeVendor() as vendor, nodes_with(tmp_path, server, vendor, 4) as (a, b):
        vendor.script(Reply(401))
        await send(a, range(1))

        async def all_are_paused() -> bool:
            return a.rows("SELECT state_reason FROM unit") == [("credentials",)] * 4

        await eventually(all_are_paused, what="every shard is paused")
        assert (await asked(b, "open/resume"))["was"] == "paused"
        await a.emptied()
        assert set(by_user(vendor)) == {f"u{user}" for user in range(USERS)}


async def test_a_command_reaches_every_shard_and_its_answer_is_that_of_all(tmp_path: Path, server: Server) -> None:
    async with FakeVendor() as vendor, nodes_with(tmp_path, server, vendor, 4) as (a, b):
        await owned_by(a, {"a", "b"}, 4)
        await send(a, range(1))
        await a.emptied()
        assert (await asked(b, "open/pause", {"reason": "the move"}))["state"] == "paused"
        assert [row[0] for row in a.rows("SELECT state FROM unit ORDER BY shard")] == ["paused"] * 4
        await send(a, range(1, 2))
        assert (await asked(a, "open/resume"))["was"] == "paused"
        await a.emptied()
        assert (await asked(b, "open/replay", {"since": "1h", "count_only": True}))["count"] == 2 * USERS
        await asked(b, "open/replay", {"since": "1h"})

        async def came_again() -> bool:
            return sum(map(len, by_user(vendor).values())) == 4 * USERS

        await eventually(came_again, what="each event comes once more")
        assert by_user(vendor) == {f"u{user}": [0, 1, 0, 1] for user in range(USERS)}
        replay = await a.get("/api/destinations/open/replay")
        assert (replay["state"], replay["fed"], replay["left_out"]) == ("done", 2 * USERS, 0)
        assert (await asked(a, "open/replay", {"message_id": "u3-0"}))["count"] == 1
