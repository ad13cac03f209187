"""Three nodes, four destinations, and whatever can happen to nodes and to the network: nothing is lost, out of order, or stuck."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from random import Random

from router.testing.vendor import Received, Reply
from tests.cluster.acts import Acts
from tests.cluster.checker import Watch, at_the_end
from tests.cluster.clients import Clients
from tests.cluster.form import IS_LONG, SEED, form
from tests.cluster.nodes import ITEMS, cluster, new_database, recorder
from tests.cluster.vendors import TAKEN, Answer
from tests.postgres_server import Server

ROUNDS = form(12, 200)
USERS, PER_S = form((20, 60.0), (300, 300.0))
"""A slow vendor gets the events of a user one after the other once it has failed: so the calls of each are a second apart."""
LEASE = form("3s", "5s")
AT_LEAST = form((2, 1), (30, 10))
"""Take-overs and fences, else the test has done nothing."""
TWO_AT_ONCE = 5
"""Each such round has two acts."""
FAILING, SLOW_S = 0.2, 0.3
DESTINATIONS = [
    recorder("gated", gated=True),
    recorder("counted", counted=True),
    recorder("slow", {"concurrency": 20}),
    recorder("failing"),
]


def failing(random: Random) -> Answer:
    """Some requests are refused for now."""
    return lambda seen: Reply(500) if random.random() < FAILING else TAKEN


def slow(seen: Received) -> Reply:
    """Each answer takes a while."""
    return Reply(200, delay_s=SLOW_S)


async def test_nothing_is_lost_or_out_of_order_while_nodes_are_killed_frozen_and_cut_off(
    tmp_path: Path, server: Server
) -> None:
    random = Random(SEED)
    answers = {"slow": slow, "failing": failing(random)}
    async with cluster(tmp_path, await new_database(server), DESTINATIONS, answers=answers, lease=LEASE) as three:
        clients = Clients(three, SEED, users=USERS, per_s=PER_S)
        watch = Watch(three, SEED)
        acts = Acts(three, clients, watch, random)
        async with asyncio.TaskGroup() as group:
            looking, _ = group.create_task(watch.run()), group.create_task(clients.run())
            await clients.more(USERS)
            began = time.monotonic()
            for number in range(1, ROUNDS + 1):
                await (acts.two() if number % TWO_AT_ONCE == 0 else acts.one())
                if IS_LONG:
                    print(
                        number,
                        f"{time.monotonic() - began:.0f} s, {len(clients.sent)} events, {dict(acts.done)}",
                        flush=True,
                    )
            clients.stop()
            await three.emptied()
            watch.stop()
            await looking
        found = [*watch.found, *await at_the_end(three, clients, gated="gated", counted="counted")]
        taken_over, fenced = three.logged("destination_taken_over"), three.logged("claim_lost")
        twice = {one["name"]: three.vendors.twice(one["name"]) for one in DESTINATIONS}
        print(
            f"{ROUNDS} rounds {dict(acts.done)}: {len(clients.sent)} events, {watch.looks} ledgers, {taken_over} taken over,"
            f" {fenced} fenced, sent twice {twice}, {len(found)} violations"
        )
        assert found == []
        assert (taken_over, fenced) >= AT_LEAST, "else it has done nothing"
        assert fenced >= AT_LEAST[1]
        assert watch.looks > ROUNDS
        for one in DESTINATIONS:
            in_flight = one["delivery"]["concurrency"] * ITEMS
            assert twice[one["name"]] <= acts.done.total() * in_flight, "what was in flight at an act, and no more"
