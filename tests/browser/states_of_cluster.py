"""States of several nodes with one store: one, two, one of them dead, two with different files and a destination without a node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.browser.state import CONSOLE, DRY, Seen, Shown
from tests.flow.harness import Daemon, eventually
from tests.postgres_server import Server, running

HOOK = {**DRY, "delivery": {"timeout": "1s"}}


def node(folder: Path, name: str, url: str) -> Daemon:
    """A node that is taken for dead soon."""
    (folder / name).mkdir()
    cluster = {"node": name, "lease": "3s"}
    return Daemon(folder / name, [dict(HOOK)], store={"url": url}, cluster=cluster, console=CONSOLE)


@asynccontextmanager
async def two_nodes(folder: Path, server: Server) -> AsyncIterator[tuple[Daemon, Daemon]]:
    """Each has told the other where it listens."""
    url = server.dsn(await server.database())
    async with node(folder, "router-a", url) as first, node(folder, "router-b", url) as second:

        async def is_known() -> bool:
            nodes = (await first.get("/api/cluster"))["nodes"]
            return len(nodes) == 2 and all(one["admin"] for one in nodes)

        await eventually(is_known)
        yield first, second


@asynccontextmanager
async def nodes(folder: Path) -> AsyncIterator[Shown]:
    """Two that are alike."""
    with running(fsync=True) as server:
        async with two_nodes(folder, server) as (first, _):
            words = "the nodes that live have the same config.toml and version"
            yield Shown(first.admin_url, {"cluster, several nodes": Seen("/cluster", words, also=("router-b",))})


@asynccontextmanager
async def one_node(folder: Path) -> AsyncIterator[Shown]:
    """Nobody else uses the database."""
    with running(fsync=True) as server:
        async with node(folder, "router-a", server.dsn(await server.database())) as daemon:
            pages = {"cluster, one node": Seen("/cluster", "(this one)")}
            yield Shown(daemon.admin_url, pages)


@asynccontextmanager
async def differing(folder: Path) -> AsyncIterator[Shown]:
    """One was reloaded with another file, so the other one delivers nothing."""
    with running(fsync=True) as server:
        async with two_nodes(folder, server) as (first, second):
            second.destinations[0]["filter"] = "type = 'track'"
            await second.reload()
            words = "destination hook differs: not active at router-a; active at router-b"
            yield Shown(first.admin_url, {"cluster, files differ": Seen("/cluster", words)})


@asynccontextmanager
async def dead(folder: Path) -> AsyncIterator[Shown]:
    """The same, and the one that delivers is killed: nobody does for a minute."""
    with running(fsync=True) as server:
        async with two_nodes(folder, server) as (first, second):
            second.destinations[0]["filter"] = "type = 'track'"
            await second.reload()

            async def die() -> None:
                second.kill()

            words = ("nobody", "no node that lives has the active one", "No node has delivered to hook")
            yield Shown(first.admin_url, {"cluster, a dead node": Seen("/cluster", "no, since", also=words)}, die)
            await second.restart()
