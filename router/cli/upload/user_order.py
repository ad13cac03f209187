"""Which connection a call goes on: all calls of one user, under any of the user's ids, on the same one, so their order is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from router.event import coerce_id

CONNECTIONS = 8
"""Requests at a time. A daemon that delivers meanwhile takes up one batch of each connection between two turns of delivery:
100,000 calls took it 26 s of processor time over one connection, 11 s over four and 7 s over eight (three destinations)."""


class _Ids(msgspec.Struct, rename="camel", gc=False):
    user_id: Any = None
    anonymous_id: Any = None
    previous_id: Any = None
    group_id: Any = None


_ids = msgspec.json.Decoder(_Ids)


def ids_of(call: bytes) -> list[str]:
    """Whose call it is: userId, anonymousId and previousId; of a call with none of them the groupId. Empty if it has no id."""
    try:
        found = _ids.decode(call)
    except (msgspec.DecodeError, RecursionError):  # it will be judged, and told as a bad line
        return []
    users = (found.user_id, found.anonymous_id, found.previous_id)
    ids = [id for value in users if value is not None and (id := (coerce_id(value) or "").strip())]
    if not ids and found.group_id is not None:
        ids = [f"group {coerce_id(found.group_id)}"]
    return ids


class Spread:
    """Calls that are sent at the same time. What comes later waits until all of them are acknowledged."""

    def __init__(self) -> None:
        self.calls = [0] * CONNECTIONS
        self.size = [0] * CONNECTIONS  #: bytes of the calls, with a comma each
        self._of: dict[str, int] = {}

    def place(self, ids: Sequence[str], size: int) -> int | None:
        """The connection for a call: that of an earlier call of the same user, else the one with the fewest calls.

        None if earlier calls of the same user, under two ids, are on two connections: this one has to wait for both.

        Args:
            ids: of its user.
            size: of the call.
        """
        chosen: int | None = None
        for id in ids:
            place = self._of.get(id)
            if place is not None and place != chosen:
                if chosen is not None:
                    return None
                chosen = place
        if chosen is None:
            chosen = self.calls.index(min(self.calls))
        for id in ids:
            self._of[id] = chosen
        self.calls[chosen] += 1
        self.size[chosen] += size + 1
        return chosen
