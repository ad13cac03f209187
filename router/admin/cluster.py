"""The nodes that share the store, who has which destination, and where they are not alike. Of a store that is a file: this process."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from router import __version__
from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.clock import to_iso
from router.config import Config
from router.store import Cluster, ClusterRows, ConfiguredRow, NodeRow, UnitRow
from router.store.cluster_rows import OF_DESTINATION

VERSION = "version"


def node_name(config: Config) -> str:
    """What people call this node."""
    return config.cluster.node or socket.gethostname()


async def cluster(daemon: DaemonPort, answers: Answers) -> dict[str, Any]:
    """One look. Raises StoreError while the database is away."""
    if (shared := daemon.store.cluster) is None:
        return await _alone(daemon, answers)
    rows = await shared.look()
    missing_s = shared.without_owner_s()
    return {
        "shared": True,
        "nodes": [_node(node, shared, rows.units) for node in rows.nodes],
        "units": [_unit(one, rows.in_force, missing_s) for one in rows.units],
        "duties": [{"duty": duty, "node": name or None} for duty, name in rows.duties.items()],
        "differs": list(_differences(rows)),
    }


async def _alone(daemon: DaemonPort, answers: Answers) -> dict[str, Any]:
    name, since = node_name(daemon.config), to_iso(daemon.started_ms)
    ledger = (await answers.ledger())["destinations"]
    node = {
        "name": name, "id": "", "is_this": True, "is_alive": True, "alive_until": None, "version": __version__, "since": since,
        "ingest": daemon.listens, "admin": "", "units": len(ledger),
    }  # fmt: skip
    units = [
        {
            "destination": destination, "shard": 0, "node": name, "node_id": "", "epoch": None, "since": since, "without_owner_s": 0.0,
            "lag": counts["head"] - counts["cursor"], "state": counts["state"], "state_reason": counts["state_reason"],
            "configured_by": name, "configured_at": to_iso(daemon.in_force.since_ms),
        }
        for destination, counts in ledger.items()
    ]  # fmt: skip
    notices = {"duty": "notices", "node": name if daemon.config.notify.url else None}
    duties = [{"duty": "housekeeping", "node": name}, notices]
    return {"shared": False, "nodes": [node], "units": units, "duties": duties, "differs": []}


def _node(node: NodeRow, shared: Cluster, units: Sequence[UnitRow]) -> dict[str, Any]:
    return {
        "name": node.name,
        "id": node.id,
        "is_this": node.id == shared.this,
        "is_alive": node.is_alive,
        "alive_until": to_iso(node.until_ms),
        "version": node.version,
        "since": to_iso(node.started_ms),
        "ingest": node.listening.ingest,
        "admin": node.listening.admin,
        "units": sum(1 for one in units if one.owner_id == node.id),
    }


def _unit(one: UnitRow, in_force: Mapping[str, ConfiguredRow], missing_s: Mapping[str, float]) -> dict[str, Any]:
    name = one.unit.destination
    configured = in_force.get(name)
    return {
        "destination": name,
        "shard": one.unit.shard,
        "node": one.owner or None,
        "node_id": one.owner_id,
        "epoch": one.epoch,
        "since": to_iso(one.since_ms) if one.owner else None,
        "without_owner_s": 0.0 if one.owner else round(missing_s.get(name, 0.0), 1),
        "lag": one.lag,
        "state": one.state,
        "state_reason": one.state_reason,
        "configured_by": configured.node if configured else None,
        "configured_at": to_iso(configured.since_ms) if configured else None,
    }


def _differences(rows: ClusterRows) -> Iterator[dict[str, Any]]:
    """What is not the same at all nodes that live, or not in force: `sides` are the values, each with the nodes that have it."""
    nodes = [node for node in rows.nodes if node.is_alive]
    versions = _sides([(node, node.version) for node in nodes])
    if len(versions) > 1:
        yield {"what": VERSION, "active": None, "sides": versions}
    known = [node for node in nodes if node.configuration]
    for subject in sorted({subject for node in known for subject in node.configuration}):
        sides = _sides([(node, node.configuration.get(subject)) for node in known])
        configured = rows.in_force.get(subject.removeprefix(OF_DESTINATION))
        in_force = configured.hash if configured and subject.startswith(OF_DESTINATION) else None
        if len(sides) > 1 or (in_force is not None and sides[0]["value"] != in_force):
            yield {"what": subject, "active": in_force, "sides": sides}


def _sides(said: Sequence[tuple[NodeRow, str | None]]) -> list[dict[str, Any]]:
    found: dict[str | None, list[str]] = {}
    for node, value in said:
        found.setdefault(value, []).append(node.name)
    return [{"value": value, "nodes": names} for value, names in found.items()]
