"""A database that restarts again and again, and ends connections at random: nothing is lost, and nothing is counted twice."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from random import Random

import asyncpg

from tests.cluster.checker import Watch, at_the_end
from tests.cluster.clients import Clients
from tests.cluster.form import SEED, form
from tests.cluster.inside import UNKNOWN
from tests.cluster.nodes import cluster, new_database, recorder
from tests.postgres_server import Server

RESTARTS, CUTS = form((2, 60), (20, 500))
UNKNOWN_AT_LEAST = form(1, 20)
USERS, PER_S = form((20, 60.0), (60, 60.0))
BUSY = 0.8
"""Share of the cuts that meet a connection in the middle of something."""
PAUSE_S = 0.03
PATIENT = {"timeout": "60s"}
"""No vendor is slow here: what is not answered in a second waits for a busy machine, and is not sent again."""
DESTINATIONS = [
    recorder("open", PATIENT),
    recorder("gated", PATIENT, gated=True),
    recorder("counted", PATIENT, counted=True),
]
SESSIONS = (
    "SELECT pid, state <> 'idle' FROM pg_stat_activity"
    " WHERE application_name = 'segment-router' AND datname = current_database() AND pid <> pg_backend_pid()"
)


async def cut_connections(dsn: str, random: Random, n: int) -> None:
    """End this many connections of the router, one after the other."""
    connection = await asyncpg.connect(dsn)
    try:
        while n:
            wants_busy = random.random() < BUSY
            pids = [pid for pid, is_busy in await connection.fetch(SESSIONS) if is_busy or not wants_busy]
            if pids:
                await connection.execute("SELECT pg_terminate_backend($1)", random.choice(pids))
                n -= 1
                await asyncio.sleep(PAUSE_S)
    finally:
        await connection.close()


async def test_nothing_is_lost_or_counted_twice_while_the_database_restarts_and_ends_connections(
    tmp_path: Path, server: Server
) -> None:
    random = Random(SEED)
    dsn = await new_database(server)
    build = "from tests.cluster import inside; inside.notes_unknown_commits()"
    async with cluster(tmp_path, dsn, DESTINATIONS, lease="60s", build=build, has_wires=False) as three:
        clients = Clients(three, SEED, users=USERS, per_s=PER_S)
        watch = Watch(three, SEED)
        async with asyncio.TaskGroup() as group:
            looking, _ = group.create_task(watch.run()), group.create_task(clients.run())
            await clients.more(USERS)
            for _ in range(RESTARTS):
                await cut_connections(dsn, random, CUTS // RESTARTS)
                server.stop(random.choice((signal.SIGINT, signal.SIGQUIT)))
                server.start()
                await server.ready()
                await clients.more(USERS)
            clients.stop()
            await three.emptied()
            watch.stop()
            await looking
        found = [*watch.found, *await at_the_end(three, clients, gated="gated", counted="counted")]
        settled = {word: three.noted(word) for word in (UNKNOWN, "STORED", "NOT_STORED", "LOST")}
        twice = {one["name"]: three.vendors.twice(one["name"]) for one in DESTINATIONS}
        print(
            f"{RESTARTS} restarts, {CUTS} connections ended, {len(clients.sent)} events, {watch.looks} ledgers, commits without an answer"
            f" {settled}, sent twice {twice}, {len(found)} violations"
        )
        assert found == []
        assert settled[UNKNOWN] >= UNKNOWN_AT_LEAST
        assert settled["LOST"] == 0
        assert set(twice.values()) == {0}
