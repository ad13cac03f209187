"""Two daemons on one database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from router.testing.vendor import FakeVendor
from tests.flow.harness import Daemon, destination
from tests.postgres_server import Server


@asynccontextmanager
async def two_nodes(
    folder: Path, server: Server, vendor: FakeVendor, request_s: str = "1s", kind: type[Daemon] = Daemon
) -> AsyncIterator[tuple[Daemon, Daemon]]:
    """Two daemons with the same destinations, each with tables of its own: one open, one gated."""
    store = {"url": server.dsn(await server.database())}
    delivery = {"timeout": request_s, "concurrency": 4}
    nodes = []
    for name in ("a", "b"):
        tables = [
            destination("open", "collector", {"base_url": f"{vendor.url}/open"}, delivery=delivery),
            destination("gated", "collector", {"base_url": f"{vendor.url}/gated", "gated": True}, delivery=delivery),
        ]
        (folder / name).mkdir()
        nodes.append(kind(folder / name, tables, store=store, cluster={"node": name, "lease": "3s"}))
    async with nodes[0] as first, nodes[1] as second:
        yield first, second


def owners(node: Daemon) -> dict[str, str]:
    """By destination the node that has it, while its lease lasts."""
    return dict(node.rows("SELECT destination, owner_name FROM unit WHERE expires > clock_timestamp()"))


def owner_of(name: str, nodes: tuple[Daemon, Daemon]) -> tuple[Daemon, Daemon]:
    """The node that has a destination, and the other one."""
    has = owners(nodes[0])[name]
    return (nodes[0], nodes[1]) if has == nodes[0].folder.name else (nodes[1], nodes[0])
