"""The nodes that share a store, as the store tells of them. Instants are milliseconds since 1970, by the store's own clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from router.store.rows import Unit

OF_DESTINATION = "destination "
"""How the subjects of a configuration begin that are destinations: `destination crm`."""


class Listening(NamedTuple):
    """Where a node listens; empty: nowhere, or not yet."""

    ingest: str = ""
    admin: str = ""


class NodeRow(NamedTuple):
    """A node that gave signs of life within the last day, and has not left in good order."""

    id: str
    name: str
    version: str
    started_ms: int
    until_ms: int  #: it is taken for dead then, unless it gives another sign of life
    is_alive: bool
    listening: Listening
    configuration: Mapping[str, str]  #: by subject (`destination crm`, `source website`) a hash; empty before it knows


class UnitRow(NamedTuple):
    """A destination, or a shard of it, and who has it."""

    unit: Unit
    owner: str  #: the name of the node; empty where nobody has it
    owner_id: str
    epoch: int  #: counts its owners
    since_ms: int  #: when the owner took it; 0 where nobody has it
    lag: int  #: events of the log that it has still to settle or to park
    state: str
    state_reason: str


class ConfiguredRow(NamedTuple):
    """The configuration in force of a destination."""

    hash: str
    node: str  #: the name of the node that brought it
    since_ms: int


class ClusterRows(NamedTuple):
    """One look at all nodes."""

    nodes: list[NodeRow]
    units: list[UnitRow]
    duties: dict[str, str]  #: by duty the name of the node that has it; empty: nobody has
    in_force: dict[str, ConfiguredRow]  #: by destination


def of_destinations(configuration: Mapping[str, str]) -> dict[str, str]:
    """By destination what a configuration says of it, as a hash."""
    return {
        subject.removeprefix(OF_DESTINATION): hash
        for subject, hash in configuration.items()
        if subject.startswith(OF_DESTINATION)
    }
