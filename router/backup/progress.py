"""How far a backup or a restore is. Whoever calls for one hands in what shows it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told, and shows it."""

    def begin(self, what: str, size: int) -> None:
        """The next part of the work. `size`: its bytes, as far as is known."""
        ...

    def at(self, done: int) -> None:
        """So many bytes of this part are done."""
        ...
