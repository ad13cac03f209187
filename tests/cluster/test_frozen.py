"""Nodes that freeze where it hurts most: with requests at the vendor, or with the head row of the log in hand."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from router.testing.replies import Hang
from router.testing.vendor import Received, Reply
from tests.cluster.checker import Watch, at_the_end
from tests.cluster.clients import Clients, Sent
from tests.cluster.form import IS_LONG, SEED, form
from tests.cluster.inside import STOP
from tests.cluster.nodes import Cluster, cluster, new_database, recorder
from tests.flow.harness import eventually
from tests.postgres_server import Server

IN_FLIGHT = form(100, 1000)
TIMES = form(3, 100)
WORST_S = 3.0


async def send(two: Cluster, first: int, n: int) -> dict[str, Sent]:
    """Send a track of each of this many users."""
    calls = [
        {"type": "track", "userId": f"u{k}", "event": "E", "properties": {"n": k}, "messageId": f"m{k}"}
        for k in range(first, first + n)
    ]
    await two.nodes[0].batch(calls)
    return {str(call["messageId"]): Sent(k, k) for k, call in enumerate(calls, first)}


async def test_who_froze_with_requests_at_the_vendor_stores_nothing_and_sends_at_most_those_again(
    tmp_path: Path, server: Server
) -> None:
    open_ = recorder("open", {"timeout": form("5s", "20s"), "concurrency": IN_FLIGHT}, items=1)
    async with cluster(tmp_path, await new_database(server), [open_], nodes=2) as two:
        clients, watch = Clients(two, SEED, users=1, per_s=1.0), Watch(two, SEED)
        zombie = await two.owner("open")
        if zombie is two.nodes[0]:
            two.nodes.reverse()  # calls are sent to the other one
        two.vendors.answers["open"] = lambda seen: Hang(200)
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(watch.run())
            clients.sent |= await send(two, 0, IN_FLIGHT)

            async def all_are_there() -> bool:
                return two.vendors.server.waiting >= IN_FLIGHT

            await eventually(all_are_there, what="all requests are at the vendor")
            watch.unwell.add(zombie)
            zombie.freeze()
            in_flight = {arrival.item["id"] for arrival in two.vendors.of("open")}
            two.vendors.answers["open"] = answers_at_once
            two.vendors.server.release()
            await two.taken_from(zombie, ["open"])
            clients.sent |= await send(two, IN_FLIGHT, IN_FLIGHT)
            await two.reached(2 * IN_FLIGHT)
            before = len(two.vendors.of("open"))
            zombie.thaw()
            thawed = time.monotonic()
            await zombie.logged("claim_lost")
            told_s = time.monotonic() - thawed
            watch.unwell.discard(zombie)
            clients.sent |= await send(two, 2 * IN_FLIGHT, IN_FLIGHT)
            await two.emptied()
            watch.stop()
            await looking
        stale = [arrival.item["id"] for arrival in two.vendors.of("open")[before:] if arrival.node == zombie.name]
        found = [*watch.found, *await at_the_end(two, clients)]
        print(
            f"{len(in_flight)} requests at the vendor, {len(stale)} sent when it went on, told after {told_s:.2f} s, sent twice"
            f" {two.vendors.twice('open')}, {watch.looks} ledgers, {len(found)} violations"
        )
        assert found == []
        assert len(stale) <= IN_FLIGHT
        assert set(stale) <= in_flight
        assert two.vendors.twice("open") <= 2 * IN_FLIGHT


def answers_at_once(seen: Received) -> Reply:
    """The vendor is well."""
    return Reply(200)


async def test_who_froze_with_the_head_row_in_hand_holds_the_others_up_for_a_moment_and_loses_nothing(
    tmp_path: Path, server: Server
) -> None:
    build = "from tests.cluster import inside; inside.stops_with_the_head_row()"
    dsn = await new_database(server)
    async with cluster(tmp_path, dsn, [recorder("open")], lease="60s", build=build, has_wires=False) as three:
        clients = Clients(three, SEED, users=1, per_s=1.0)
        frozen, *others = three.nodes
        waits = []
        for n in range(TIMES):
            (frozen.folder / STOP).touch()
            call = {"userId": f"u{n}", "messageId": f"i{n}", "groupId": "acme", "traits": {"n": 0}}
            asking = asyncio.create_task(frozen.post_until_taken("group", call))
            await eventually(frozen.is_frozen, what="it is frozen within its append")
            began = time.monotonic()
            for k, node in enumerate(others):
                track = {"userId": f"v{n}-{k}", "event": "E", "properties": {"n": 0}, "messageId": f"t{n}-{k}"}
                await node.post_until_taken("track", track)
                clients.sent[f"t{n}-{k}"] = Sent(n, 0)
            waits.append(time.monotonic() - began)
            frozen.thaw()
            await asking
            clients.sent[f"i{n}"] = Sent(n, 0)
        await three.emptied()
        found = await at_the_end(three, clients)
        print(f"{TIMES} times, the others waited {max(waits):.2f} s at most, {len(found)} violations")
        assert found == []
        if IS_LONG:
            assert max(waits) < WORST_S
