"""The same messages through all nodes at once, in another order at each: each is accepted once, and delivered once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

from tests.cluster.checker import at_the_end
from tests.cluster.clients import Clients, Sent
from tests.cluster.form import SEED
from tests.cluster.nodes import Node, cluster, new_database, recorder
from tests.postgres_server import Server

MESSAGES, BATCH, AT_A_TIME = 10_000, 100, 4


async def send(node: Node, calls: list[dict[str, Any]], random: Random) -> None:
    """Send these calls in a random order, some batches at a time."""
    calls = random.sample(calls, len(calls))
    batches = iter([calls[n : n + BATCH] for n in range(0, len(calls), BATCH)])

    async def send_on() -> None:
        for batch in batches:
            await node.batch(batch)

    await asyncio.gather(*(send_on() for _ in range(AT_A_TIME)))


async def test_the_same_messages_through_all_nodes_at_once_are_accepted_and_delivered_once(
    tmp_path: Path, server: Server
) -> None:
    random = Random(SEED)
    destinations = [recorder("open", {"timeout": "60s"}, items=100)]
    async with cluster(tmp_path, await new_database(server), destinations, lease="60s", has_wires=False) as three:
        calls: list[dict[str, Any]] = [
            {"type": "track", "userId": f"u{n}", "event": "E", "properties": {"n": n}, "messageId": f"m{n}"}
            for n in range(MESSAGES)
        ]
        await asyncio.gather(*(send(node, calls, random) for node in three.nodes))
        ledger = await three.emptied()
        clients = Clients(three, SEED, users=1, per_s=1.0)  # it has sent nothing: the calls above take its place
        clients.sent = {call["messageId"]: Sent(n, n) for n, call in enumerate(calls)}
        print(f"accepted {ledger['accepted']}, duplicates {ledger['duplicates']}")
        assert (ledger["accepted"], ledger["duplicates"]) == (MESSAGES, 2 * MESSAGES)
        assert await at_the_end(three, clients) == []
        assert three.vendors.twice("open") == 0
