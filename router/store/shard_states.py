"""How the shards of destinations are, as of a moment ago: what one of them was told holds for the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from router.store.rows import Status, Unit

__all__ = ["OtherShards", "ShardStates"]


class ShardStates:
    """Of each destination in shards that does not run everywhere: the state of those shards that do not run."""

    def __init__(self) -> None:
        self._of: Mapping[str, Mapping[int, Status]] = {}
        self._watchers: dict[Callable[[], None], str] = {}  #: with their destination

    def told(self, states: Mapping[str, Mapping[int, Status]]) -> None:
        """All of them, by destination and shard. Those who watch one that has changed are called."""
        before, self._of = self._of, states
        for call, destination in list(self._watchers.items()):
            if before.get(destination) != states.get(destination):
                call()

    def beside(self, unit: Unit) -> OtherShards:
        """The other shards of the unit's destination."""
        return OtherShards(self, unit)

    def of(self, destination: str) -> Mapping[int, Status]:
        """By shard; empty where all run."""
        return self._of.get(destination, {})

    def watch(self, destination: str, call: Callable[[], None]) -> None:
        """Call this when a shard of the destination has changed."""
        self._watchers[call] = destination

    def unwatch(self, call: Callable[[], None]) -> None:
        """No more of that."""
        self._watchers.pop(call, None)


@dataclass(frozen=True)
class OtherShards:
    """As one shard sees them. A destination that is not split has none."""

    _states: ShardStates
    _unit: Unit

    def statuses(self) -> list[Status]:
        """How they are; empty where all shards run."""
        return [
            status for shard, status in self._states.of(self._unit.destination).items() if shard != self._unit.shard
        ]

    def watch(self, call: Callable[[], None]) -> None:
        """Call this when one of them has changed."""
        self._states.watch(self._unit.destination, call)

    def unwatch(self, call: Callable[[], None]) -> None:
        """No more of that."""
        self._states.unwatch(call)
