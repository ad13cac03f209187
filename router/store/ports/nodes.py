"""The nodes that share a store, and what they leave there for each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from router.store.cluster_rows import ClusterRows, Listening
from router.store.rows import AskedCommand, CommandRow, Unit


class Commands(Protocol):
    """What operators ask of destinations, for whichever process has the destination."""

    async def ask(self, unit: Unit, text: bytes) -> int:
        """Record a command. Durable on return."""
        ...

    async def ask_node(self, node: str, text: bytes) -> int:
        """Record a command to the node of this id. Durable on return."""
        ...

    async def take(self, busy: Collection[int]) -> list[AskedCommand]:
        """Those of destinations that this process owns, and those to this node, but for these, which it carries out already. A command whose
        effect a commit has stored with its answer (`CommitBatch.answers`) is not among them."""
        ...

    async def close(self, asked: AskedCommand, state: str, answer: bytes) -> None:
        """It is `done` or `refused`, and this is the answer; unless a commit has said so, or another owner has taken it."""
        ...

    async def withdraw(self, command: int) -> bool:
        """Let nobody take it any more. False: somebody has."""
        ...

    async def find(self, command: int) -> CommandRow | None:
        """How far it is."""
        ...


class Cluster(Protocol):
    """The nodes that share the store. Where the configuration of this one is not in force for a destination, it does not deliver there."""

    @property
    def this(self) -> str:
        """The id of this node."""
        ...

    async def look(self) -> ClusterRows:
        """All nodes, who has which destination, who does what for all."""
        ...

    async def configure(self, configuration: Mapping[str, str], *, by_hand: bool) -> None:
        """What is configured here from now on, by subject (`destination crm`) as a hash. Other nodes compare it: `Health.problems` names what
        differs. Of each destination it is in force from now on if it never was before, or `by_hand`: if somebody asked for it. To be called
        before the destinations are opened with it."""
        ...

    def listen(self, listening: Listening) -> None:
        """Where this node listens."""
        ...

    def count_live(self) -> int:
        """Nodes that give signs of life, this one included."""
        ...

    def without_owner_s(self) -> Mapping[str, float]:
        """By destination that is configured here and that no node has: for how long."""
        ...


class Notices(Protocol):
    """What the notifier has told whoever listens, over a restart. One process at a time tells."""

    async def are_ours(self) -> bool:
        """Whether this process tells. Asked before each look."""
        ...

    async def give_back(self) -> None:
        """Another process may tell from now on."""
        ...

    async def read(self) -> bytes | None:
        """What was written last; None before."""
        ...

    async def write(self, text: bytes) -> None:
        """Durable on return. Raises StoreError where another process tells by now."""
        ...
