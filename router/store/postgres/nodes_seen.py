"""What this node has configured, and what it knows of all nodes, as of its last sign of life."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from router import __version__
from router.clock import Clock
from router.store.cluster_rows import of_destinations
from router.store.postgres import differences
from router.store.postgres.differences import Alike
from router.store.postgres.in_force import InForce
from router.store.postgres.placement import Moves, Seen, moves
from router.store.rows import PART, Status, Unit
from router.vocabulary import Problem

Row = Mapping[str, Any]


class NodesSeen:
    """Of one node: its id, and its name as people call it."""

    def __init__(self, me: UUID, name: str, clock: Clock) -> None:
        self.destinations: frozenset[str] = frozenset()  #: that are configured here
        self.configuration: Mapping[str, str] = {}  #: by subject the hash of what is configured here
        self.in_force = InForce(clock.monotonic)
        self._me, self._name, self._clock = me, name, clock
        self._nodes: Sequence[Row] = ()
        self._units: Sequence[Row] = ()
        self._times_free: dict[Unit, int] = {}
        self._free_since: dict[Unit, float] = {}

    def told(self, nodes: Sequence[Row], units: Sequence[Row], *, brought: int) -> None:
        """All that the database knows. `brought`: the version of `in_force` when it was asked."""
        self._nodes, self._units = nodes, units
        if brought == self.in_force.version:
            hashes = {one["destination"]: one["in_force"] for one in units if one["in_force"] is not None}
            live = [*(one["configuration"] for one in self.others()), self.configuration]
            self.in_force.seen(hashes, map(of_destinations, live))
        now, free = self._clock.monotonic(), [unit_of(one) for one in units if not _has_owner(one)]
        self._times_free = {unit: self._times_free.get(unit, 0) + 1 for unit in free}
        self._free_since = {unit: self._free_since.get(unit, now) for unit in free}

    # ------------------------------------------------------------ the others

    def others(self) -> list[Row]:
        """The other nodes that live."""
        return [node for node in self._nodes if node["lives"] and UUID(node["id"]) != self._me]

    def others_with(self, destination: str) -> list[str]:
        """The names of those that have this destination configured."""
        return [str(node["name"]) for node in self.others() if destination in node["destinations"]]

    def problems(self) -> list[Problem]:
        """Where another node is not as this one."""
        this = Alike(self._name, __version__, self.configuration)
        others = [Alike(one["name"], one["version"], one["configuration"]) for one in self.others()]
        return differences.problems(this, others, self.in_force)

    # ------------------------------------------------------------ destinations

    def holder(self, unit: Unit) -> str:
        """Which node has it, as people call it; empty where nobody has."""
        for one in self._units:
            if unit_of(one) == unit and _has_owner(one):
                return str(one["owner_name"])
        return ""

    def status(self, unit: Unit) -> Status | None:
        """How it is where it is."""
        for one in self._units:
            if unit_of(one) == unit:
                return Status(*one["status"])
        return None

    def without_owner_s(self) -> dict[str, float]:
        """By destination that is configured here and of which no node has some part: for how long."""
        now = self._clock.monotonic()
        found: dict[str, float] = {}
        for unit, since in self._free_since.items():
            if unit.destination in self.destinations:
                found[unit.destination] = max(now - since, found.get(unit.destination, 0.0))
        return found

    @property
    def free(self) -> int:
        """How many units no node has."""
        return len(self._free_since)

    def may_serve(self, destination: str) -> bool:
        """Whether this node may deliver to it, as its configuration is."""
        return bool(self._served([destination], self.configuration))

    def has_rivals(self, destination: str) -> bool:
        """Whether another node may deliver to it, too."""
        return any(destination in self._served(one["destinations"], one["configuration"]) for one in self.others())

    def moves(self) -> Moves:
        """What this node takes and gives back next."""
        live = {UUID(one["id"]): self._served(one["destinations"], one["configuration"]) for one in self.others()}
        live[self._me] = self._served(self.destinations, self.configuration)
        seen = []
        for one in self._units:
            unit = unit_of(one)
            had = UUID(one["node"]) if one["node"] else None
            node, given_by = (had, None) if _has_owner(one) else (None, None if one["owner"] else had)
            seen.append(Seen(unit, node, one["owned_s"], self._times_free.get(unit, 0), given_by))
        return moves(self._me, live, seen)

    def _served(self, destinations: Iterable[str], configuration: Mapping[str, str]) -> frozenset[str]:
        hashes = of_destinations(configuration)
        return frozenset(name for name in destinations if self.in_force.may_serve(name, hashes.get(name)))


def unit_of(row: Row) -> Unit:
    """The unit that a row of the database is about."""
    return Unit(PART, str(row["destination"]), int(row["shard"]))


def _has_owner(row: Row) -> bool:
    return bool(row["owner"]) and not row["is_free"]
