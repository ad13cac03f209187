"""Who may deliver to a destination where the files of nodes differ: those that have the configuration in force; and once no node that
lives has had it for a while, anybody. Pure, but for the clock that it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

PATIENCE_S = 60.0
"""So long a destination waits for a node with the configuration in force."""


class InForce:
    """As one process knows it, from what it has written and from its signs of life."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.version = 0  #: counts what this process has written: an answer from before one of these is out of date
        self._monotonic = monotonic
        self._hashes: dict[str, str] = {}
        self._missing_since: dict[str, float] = {}

    def wrote(self, hashes: Mapping[str, str]) -> None:
        """This process has just brought its configuration; by destination the one in force since then."""
        self.version += 1
        self._hashes |= hashes
        for destination in hashes:
            self._missing_since.pop(destination, None)

    def seen(self, hashes: Mapping[str, str], live: Iterable[Mapping[str, str]]) -> None:
        """What a sign of life has told: of each destination the hash in force, and what each node that lives has configured."""
        now, nodes = self._monotonic(), list(live)
        self._hashes = dict(hashes)
        self._missing_since = {
            name: self._missing_since.get(name, now)
            for name, hash in hashes.items()
            if not any(node.get(name) == hash for node in nodes)
        }

    def has(self, destination: str, hash: str | None) -> bool:
        """Whether this is in force. What nobody has brought yet is."""
        return self._hashes.get(destination, hash) == hash

    def is_given_up(self, destination: str) -> bool:
        """Whether no node that lives has had for so long what is in force that others go on with theirs."""
        since = self._missing_since.get(destination)
        return since is not None and self._monotonic() - since >= PATIENCE_S

    def may_serve(self, destination: str, hash: str | None) -> bool:
        """Whether a node that has this configured may deliver to the destination."""
        return self.has(destination, hash) or self.is_given_up(destination)
