"""Nodes that stop and start one after the other under load: clients that retry once see no error, and no vendor is sent anything twice."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

from router.testing.vendor import Received, Reply
from tests.cluster.checker import Watch, at_the_end
from tests.cluster.clients import Clients
from tests.cluster.form import IS_LONG, SEED, form
from tests.cluster.nodes import Cluster, cluster, new_database, recorder
from tests.postgres_server import Server

ROUNDS = form(1, 10)
USERS, PER_S = form((12, 20.0), (200, 500.0))
PATIENT_S = 60.0
"""Nobody is frozen here: who waits so long for an answer waits for a busy machine."""
SLOW_S = 0.3
PATIENT = {"timeout": "60s"}
DESTINATIONS = [
    recorder("open", PATIENT),
    recorder("gated", PATIENT, gated=True),
    recorder("slow", {**PATIENT, "concurrency": 20}),
]
MOST_STILL_S = 2.0


def slow(seen: Received) -> Reply:
    """Each answer takes a while."""
    return Reply(200, delay_s=SLOW_S)


def longest_pauses(three: Cluster) -> dict[str, float]:
    """By destination the longest time in which nothing came."""
    times = {one["name"]: [arrival.at for arrival in three.vendors.of(one["name"])] for one in DESTINATIONS}
    return {name: round(max(later - earlier for earlier, later in pairwise(at)), 2) for name, at in times.items()}


async def test_a_rolling_restart_sends_nothing_twice_and_costs_no_client_more_than_one_retry(
    tmp_path: Path, server: Server
) -> None:
    dsn = await new_database(server)
    async with cluster(tmp_path, dsn, DESTINATIONS, answers={"slow": slow}, lease="60s", has_wires=False) as three:
        clients = Clients(three, SEED, users=USERS, per_s=PER_S, answer_s=PATIENT_S)
        watch = Watch(three, SEED)
        moves = 0
        async with asyncio.TaskGroup() as group:
            looking, _ = group.create_task(watch.run()), group.create_task(clients.run())
            await clients.more(USERS)
            for _ in range(ROUNDS):
                for node in three.nodes:
                    names = [name for name, owner in (await three.owners()).items() if owner == node.name]
                    watch.unwell.add(node)
                    assert await node.terminate() == 0
                    await three.taken_from(node, names)
                    moves += len(names)
                    await node.restart()
                    watch.unwell.discard(node)
                    await clients.more(USERS)
            clients.stop()
            await three.emptied()
            watch.stop()
            await looking
        found = [*watch.found, *await at_the_end(three, clients, gated="gated")]
        twice = {one["name"]: three.vendors.twice(one["name"]) for one in DESTINATIONS}
        pauses = longest_pauses(three)
        print(
            f"{ROUNDS} rounds, {len(clients.sent)} events, {moves} moves, {clients.failed_twice} calls failed twice, sent twice {twice},"
            f" {watch.looks} ledgers, longest pauses {pauses} s, {len(found)} violations"
        )
        assert found == []
        assert set(twice.values()) == {0}
        assert clients.failed_twice == 0
        assert three.logged("destination_taken_over") == 0, "all of it in good order"
        assert moves >= ROUNDS * len(DESTINATIONS) // 2
        if IS_LONG:
            assert max(pauses.values()) < MOST_STILL_S + SLOW_S
