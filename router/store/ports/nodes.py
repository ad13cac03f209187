"""What processes that share a store leave there for each other."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from router.store.rows import AskedCommand, CommandRow


class Commands(Protocol):
    """What operators ask of destinations, for whichever process has the destination."""

    async def ask(self, destination: str, text: bytes) -> int:
        """Record a command. Durable on return."""
        ...

    async def take(self, busy: Collection[int]) -> list[AskedCommand]:
        """Those of destinations that this process owns, but for these, which it carries out already. A command whose effect a commit has
        stored with its answer (`CommitBatch.answers`) is not among them."""
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
