"""Demands to forget and to suppress in a cluster: they reach every node, and outlive the node that took them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from router.testing.vendor import FakeVendor
from tests.flow.cluster import owner_of, two_nodes
from tests.flow.harness import Daemon, eventually
from tests.postgres_server import Server, running

DEMAND = {"regulationType": "SUPPRESS_WITH_DELETE", "subjectType": "USER_ID", "subjectIds": ["u1"]}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(fsync=True) as server:
        yield server


async def is_finished(node: Daemon) -> bool:
    [newest] = (await node.get("/api/regulations"))["data"]["regulations"]
    return newest["finishedAt"] is not None


def arrived(vendor: FakeVendor) -> set[str]:
    return {item["id"] for seen in vendor.requests for item in seen.json()}


async def test_after_the_answer_no_node_accepts_or_delivers_anything_of_the_person(
    tmp_path: Path, server: Server
) -> None:
    async with FakeVendor() as vendor, two_nodes(tmp_path, server, vendor) as nodes:
        for user in ("u1", "u2"):
            await nodes[0].post("track", userId=user, event="E", messageId=f"{user}-held")
        await nodes[0].settled()
        owner, other = owner_of("gated", nodes)
        status, answer = await other.admin("POST", "/api/regulations", DEMAND)
        assert status == 200, answer
        assert (await owner.counts("gated"))["held"] == 1, "the rows are erased at the node that has them"
        for node in nodes:
            await node.post_until_taken(
                "track", {"userId": "u1", "event": "E", "messageId": f"u1-at-{node.folder.name}"}
            )
        for user in ("u1", "u2"):  # it would open the gate
            call = {"userId": user, "groupId": "acme", "traits": {"name": "Acme"}, "messageId": f"{user}-group"}
            await owner.post_until_taken("group", call)
        await eventually(lambda: is_finished(other), what="the person is forgotten")
        ledger = await owner.emptied()
        assert ledger["accepted"] == 3, "u1 and u2 before the demand, and one group call"
        assert ledger == {**await other.ledger(), "discarded": ledger["discarded"]}
        assert arrived(vendor) == {"u1-held", "u2-held", "u2-group"}, "u1-held went out where nothing held it"
        assert other.rows("SELECT count(*) FROM parked") == [(0,)]
        for node in nodes:
            assert (await node.get("/api/suppressions")) == {"suppressed": 1}


async def test_a_demand_is_carried_out_by_another_node_when_the_one_that_took_it_dies(
    tmp_path: Path, server: Server
) -> None:
    async with FakeVendor() as vendor, two_nodes(tmp_path, server, vendor) as nodes:
        await nodes[0].post("track", userId="u1", event="E", messageId="m1")
        await nodes[0].settled()
        owner, other = owner_of("gated", nodes)
        assert owner.process is not None
        owner.process.send_signal(signal.SIGSTOP)  # so that nothing can come to rest at once

        async def demanded() -> None:
            with contextlib.suppress(aiohttp.ClientError):
                await other.admin("POST", "/api/regulations", DEMAND)

        asking = asyncio.create_task(demanded())

        async def is_recorded() -> bool:
            return bool(owner.rows("SELECT 1 FROM regulation"))

        await eventually(is_recorded)
        other.kill()
        owner.process.send_signal(signal.SIGCONT)
        await asking
        await owner.ready()
        await eventually(lambda: is_finished(owner), what="the node that is left carries it out")
        assert (await owner.counts("gated"))["held"] == 0
        await other.restart()
        await other.post_until_taken("track", {"userId": "u1", "event": "E", "messageId": "m2"})
        assert (await other.emptied())["accepted"] == 1
        assert other.rows("SELECT is_done FROM regulation") == [(True,)]
