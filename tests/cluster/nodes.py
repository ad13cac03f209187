"""Daemons on one database, each behind a wire to it and a wire to the vendors; and what the database says of them."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from router.testing.vendor import FakeVendor
from tests.cluster.form import PATIENCE_S
from tests.cluster.vendors import Answer, Vendors
from tests.cluster.wire import Wire
from tests.flow import prepared
from tests.flow.harness import Daemon, Table, destination, eventually, unmeasured
from tests.postgres_server import KEYLESS, Server

PLUGINS = Path(__file__).parent / "plugins"
ITEMS = 10
"""In a request at most."""
NOTES = "notes"
"""The file in which a daemon notes what happens inside of it (`inside.py`)."""


def recorder(name: str, delivery: Table | None = None, **settings: Any) -> Table:
    """A destination whose vendor has its name."""
    delivery = {"timeout": "1s", "concurrency": 4, **(delivery or {})}
    return destination(name, "recorder", {"path": name, "items": ITEMS, **settings}, delivery=delivery)


class Node(Daemon):
    """One of them. `build`: a line of Python that it runs before it starts."""

    def __init__(self, folder: Path, destinations: Sequence[Table], build: str, **tables: Table) -> None:
        super().__init__(folder, destinations, **tables)
        self.plugins = PLUGINS
        self.name = folder.name
        self.build = build
        self.vendor_url = ""
        self.to_database: Wire | None = None
        self.to_vendors: Wire | None = None

    def spawn(self) -> None:
        assert self.process is None
        environ = {**unmeasured(), "VENDOR_URL": self.vendor_url, "NODE": self.name}
        words = ["serve", "--config", str(self.config)]
        with self._log.open("ab") as log:
            self.process = prepared.start(words, self.folder, environ, log.fileno(), first=self.build)

    def freeze(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def is_frozen(self) -> bool:
        """Whether it is stopped, by whomever."""
        return self._state() == "T"

    def _state(self) -> str:
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def notes(self) -> Counter[str]:
        """What it has noted, by word."""
        file = self.folder / NOTES
        return Counter(file.read_text().split()) if file.exists() else Counter()


class Cluster:
    """All nodes, their database and their vendors."""

    def __init__(self, nodes: Sequence[Node], vendors: Vendors, dsn: str) -> None:
        self.nodes, self.vendors, self.dsn = list(nodes), vendors, dsn

    async def rows(self, sql: str) -> list[Any]:
        """Ask the database, past all wires."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    async def owners(self) -> dict[str, str]:
        """By destination the node that has it, while its lease lasts."""
        return dict(await self.rows("SELECT destination, owner_name FROM unit WHERE expires > clock_timestamp()"))

    async def owner(self, name: str) -> Node:
        """The node that has a destination, once one has it."""

        async def found() -> Node | None:
            has = (await self.owners()).get(name, "")
            return next((node for node in self.nodes if node.name == has), None)

        node = await eventually(found, what=f"somebody has {name}")
        assert node is not None
        return node

    def others(self, node: Node) -> list[Node]:
        """All but this one."""
        return [one for one in self.nodes if one is not node]

    async def taken_from(self, node: Node, names: Sequence[str]) -> None:
        """Wait until other nodes have all of these destinations."""

        async def taken() -> bool:
            owners = await self.owners()
            return all(owners.get(name, node.name) != node.name for name in names)

        await eventually(taken, what=f"others have {', '.join(names)} of {node.name}")

    async def head(self) -> int:
        """The newest position of the log."""
        [(head,)] = await self.rows("SELECT pos FROM head")
        return int(head)

    async def reached(self, position: int) -> None:
        """Wait until each destination has come to this position: none of them stands still."""

        async def is_behind() -> bool:
            [(least,)] = await self.rows("SELECT min(pos) FROM unit")
            return bool(least >= position)

        await eventually(is_behind, what=f"each destination comes to {position}")

    async def emptied(self) -> dict[str, Any]:
        """Wait until nothing is queued, retrying or held. Returns that ledger."""
        return await self.nodes[0].emptied(within_s=PATIENCE_S)

    def logged(self, event: str) -> int:
        """How many lines of this name all nodes have."""
        return sum(len(node.log(event)) for node in self.nodes)

    def noted(self, word: str) -> int:
        """How often all nodes have noted this."""
        return sum(node.notes()[word] for node in self.nodes)


@asynccontextmanager
async def cluster(
    folder: Path,
    dsn: str,
    destinations: Sequence[Table],
    *,
    answers: Mapping[str, Answer] | None = None,
    nodes: int = 3,
    lease: str = "3s",
    build: str = "",
    has_wires: bool = True,
) -> AsyncIterator[Cluster]:
    """This many nodes, which are ready."""
    async with FakeVendor() as server, AsyncExitStack() as stack:
        vendors = Vendors(server, answers or {})
        made = []
        for name in "abcdefgh"[:nodes]:
            (folder / name).mkdir()
            node = Node(
                folder / name,
                destinations,
                build,
                store={"url": dsn},
                cluster={"node": name, "lease": lease},
                log={"level": "warning"},
            )
            node.database, node.vendor_url = dsn, server.url
            if has_wires:
                node.to_database = await stack.enter_async_context(Wire(port_of(dsn)))
                node.to_vendors = await stack.enter_async_context(Wire(port_of(server.url)))
                node.tables["store"] = {"url": dsn.replace(f":{port_of(dsn)}/", f":{node.to_database.port}/")}
                node.vendor_url = f"http://127.0.0.1:{node.to_vendors.port}"
            made.append(node)
        for node in made:
            await stack.enter_async_context(node)
        yield Cluster(made, vendors, dsn)


def port_of(url: str) -> int:
    """The port of an address that ends with it, or with it and a path."""
    return int(url.split("://")[1].rpartition(":")[2].partition("/")[0])


async def new_database(server: Server) -> str:
    """The address of a new one, of which no password is asked."""
    await server.ready()
    await server.let_in(KEYLESS)
    return server.dsn(await server.database(), KEYLESS)
