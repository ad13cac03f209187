"""The newest calls that were not stored again, since their message id was accepted before: which ones, and how often. In memory, so of
this process."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

MOST = 1_000
"""Message ids that are remembered; the one that came again longest ago goes first. One has at most 100 characters."""


class Repeated(NamedTuple):
    """A message id that came again."""

    source: str
    message_id: str
    type: str
    n: int  #: how often, without the first time
    last_ms: int


class Duplicates:
    """By source and message id."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], Repeated] = OrderedDict()

    def add(self, source: str, message_id: str, type: str, at_ms: int) -> None:
        """Such a call came again."""
        before = self._seen.pop((source, message_id), None)
        self._seen[source, message_id] = Repeated(source, message_id, type, (before.n if before else 0) + 1, at_ms)
        if len(self._seen) > MOST:
            self._seen.popitem(last=False)

    def of(self, source: str, message_id: str) -> Repeated | None:
        """How often this id came again; None: it did not, as far as that is remembered."""
        return self._seen.get((source, message_id))

    def newest(self, most: int) -> list[Repeated]:
        """The newest of them, newest first."""
        return list(self._seen.values())[::-1][:most]

    def clear(self) -> None:
        """Somebody was forgotten: an id of theirs may name them."""
        self._seen.clear()
