"""Whether an event is of the kind that a search asks for, as far as the event itself says so. Pure: it runs in a thread, too."""

from __future__ import annotations

from collections.abc import Sequence

from router.store.event_words import NOTHING_LEFT, read_words, spelled
from router.store.rows import EventQuery, LogRow


class Match:
    """`keys`: under which a person has sent, where one is asked for."""

    def __init__(self, which: EventQuery, keys: Sequence[str]) -> None:
        self._which, self._keys = which, frozenset(keys)
        self._names = spelled(which.name) if which.name is not None else ()
        self._groups = spelled(which.group_id) if which.group_id is not None else ()

    def may_be(self, row: LogRow) -> bool:
        """Whether all but its group and its states says so."""
        which = self._which
        return (
            (which.type is None or row.type == which.type)
            and (which.source is None or row.source == which.source)
            and (not self._keys or row.user_key in self._keys)
            and (which.every <= 1 or spread(row.pos) % which.every == 0)
            and (which.name is None or self._is_named(row))
        )

    def is_of_group(self, row: LogRow, then: str | None) -> bool:
        """Whether it is of the group that is asked for. `then`: the group of its user at the time."""
        group_id = self._which.group_id
        if then != group_id and not any(word in row.body for word in self._groups):
            return False
        return (read_words(self.body_of(row))[1] or then) == group_id

    def body_of(self, row: LogRow) -> bytes:
        """Its body, or what stands for one of which nothing is left."""
        return row.body or NOTHING_LEFT

    def _is_named(self, row: LogRow) -> bool:
        return any(word in row.body for word in self._names) and read_words(row.body)[0] == self._which.name


def spread(pos: int) -> int:
    """A number of a position by which one in so many is taken, evenly: each third position, say, would meet only one of the three calls
    that a sender always makes together."""
    return (((pos & 0xFFFFFF) * 2654435761) & 0xFFFFFFFF) >> 16
