"""The nodes that share the database, as people ask for them, and what this one tells the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from router.store.cluster_rows import ClusterRows, Listening, NodeRow, UnitRow, of_destinations
from router.store.postgres import configured
from router.store.postgres.database import Connection, Database
from router.store.postgres.node import Node
from router.store.postgres.nodes_seen import unit_of

MS = "(extract(epoch FROM %s) * 1000)::bigint"
NODES = (
    f"SELECT id, name, version, {MS % 'started'}, {MS % 'expires'}, expires > clock_timestamp(), ingest, admin, configuration"
    " FROM node ORDER BY name, id"
)
UNITS = (
    f"SELECT destination, shard, CASE WHEN u.owner IS NOT NULL AND u.expires > clock_timestamp() THEN node END AS node, owner_name, epoch,"
    f" {MS % 'taken_at'} AS taken_at, h.pos - u.pos AS lag, state, state_reason"
    " FROM unit u JOIN head h USING (part) WHERE part = 0 AND state <> 'forgotten' ORDER BY destination, shard"
)
DUTIES = "SELECT d.name, coalesce(n.name, '') FROM duty d LEFT JOIN node n ON n.incarnation = d.owner AND d.expires > clock_timestamp() ORDER BY d.name"


class PostgresCluster:
    """Implements `ports.Cluster`."""

    def __init__(self, database: Database, node: Node) -> None:
        self._database, self._node = database, node
        self.this = str(node.settings.id)

    async def look(self) -> ClusterRows:
        """All nodes, who has which destination, who does what for all. Raises StoreError while the database is away."""
        return await self._database.ask(_look)

    async def configure(self, configuration: Mapping[str, str], *, by_hand: bool) -> None:
        """What is configured here from now on. Returns when the database has it, however long that takes."""
        hashes, node = of_destinations(configuration), self._node
        write = self._database.read(lambda: None, configured.bring, hashes, node.settings.name, by_hand)
        in_force = await self._database.see_through(write)
        node.seen.configuration = configuration
        node.seen.in_force.wrote(in_force)

    def listen(self, listening: Listening) -> None:
        """Others learn where this node listens by its next sign of life."""
        self._node.listening = listening

    def count_live(self) -> int:
        """Nodes that live, this one included, as of the last sign of life."""
        return 1 + len(self._node.seen.others())

    def without_owner_s(self) -> Mapping[str, float]:
        """By destination that is configured here and that no node has: for how long, as of the last sign of life."""
        return self._node.seen.without_owner_s()


async def _look(connection: Connection) -> ClusterRows:
    return ClusterRows(
        [_node(row) for row in await connection.fetch(NODES)],
        [_unit(row) for row in await connection.fetch(UNITS)],
        dict(await connection.fetch(DUTIES)),
        await configured.all_in_force(connection),
    )


def _node(row: Any) -> NodeRow:
    id, name, version, started_ms, until_ms, is_alive, ingest, admin, configuration = row
    hashes = json.loads(configuration)
    return NodeRow(str(id), name, version, started_ms, until_ms, is_alive, Listening(ingest, admin), hashes)


def _unit(row: Any) -> UnitRow:
    has_owner = row["node"] is not None
    return UnitRow(
        unit_of(row),
        row["owner_name"] if has_owner else "",
        str(row["node"]) if has_owner else "",
        row["epoch"],
        row["taken_at"] if has_owner else 0,
        row["lag"],
        row["state"],
        row["state_reason"],
    )
