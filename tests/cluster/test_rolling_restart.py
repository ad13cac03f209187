"""Nodes that stop and start one after the other under load: clients that retry once see no error, and no vendor is sent anything twice."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from tests.cluster.form import IS_LONG, form
from tests.cluster.nodes import Cluster
from tests.cluster.rolling import DESTINATIONS, SLOW_S, rolling
from tests.postgres_server import Server

ROUNDS = form(1, 10)
USERS, PER_S = form((12, 20.0), (200, 500.0))
MOST_STILL_S = 2.0


def longest_pauses(three: Cluster) -> dict[str, float]:
    """By destination the longest time in which nothing came."""
    times = {one["name"]: [arrival.at for arrival in three.vendors.of(one["name"])] for one in DESTINATIONS}
    return {name: round(max(later - earlier for earlier, later in pairwise(at)), 2) for name, at in times.items()}


async def test_a_rolling_restart_sends_nothing_twice_and_costs_no_client_more_than_one_retry(
    tmp_path: Path, server: Server
) -> None:
    async with rolling(tmp_path, server, users=USERS, per_s=PER_S) as roll:
        async with roll.under_load():
            await roll.clients.more(USERS)
            for _ in range(ROUNDS):
                async for _ in roll.through():
                    await roll.clients.more(USERS)
        pauses = longest_pauses(roll.three)
        print(f"{ROUNDS} rounds, {await roll.check()}, longest pauses {pauses} s")
        assert roll.three.logged("destination_taken_over") == 0, "all of it in good order"
        assert roll.moves >= ROUNDS * len(DESTINATIONS) // 2
        if IS_LONG:
            assert max(pauses.values()) < MOST_STILL_S + SLOW_S
