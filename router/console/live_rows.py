"""Rows of events, shared by all pages that show them: each is asked for and made once, whatever the pages filter by."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import Any

from router.vocabulary import UNSETTLED

MOST, MOST_DISCARDS = 2_000, 500
"""Rows that are kept for the next page that shows them: those that were used last."""


class Row:
    """One event, as `/api/events` gives it, or one discard; and its HTML once a page was made of it."""

    __slots__ = ("event", "html", "is_settled", "position")

    def __init__(self, event: Mapping[str, Any]) -> None:
        self.event, self.html = event, ""
        self.position: int = event.get("position", 0)  #: in the log
        #: whether its states stay as they are
        self.is_settled = all(fate["state"] not in UNSETTLED for fate in event.get("destinations", {}).values())

    @property
    def at(self) -> str:
        """When it was accepted."""
        at: str = self.event["received_at"] if "received_at" in self.event else self.event["at"]
        return at

    @property
    def at_ms(self) -> int:
        """The same in milliseconds."""
        return int(datetime.fromisoformat(self.at).timestamp() * 1000)


class Rows:
    """Those of one set of destinations, in their modes."""

    def __init__(self) -> None:
        self._events: OrderedDict[Hashable, Row] = OrderedDict()
        self._discards: OrderedDict[Hashable, Row] = OrderedDict()
        self._newest = 0  # position

    def of_event(self, event: Mapping[str, Any]) -> Row:
        """Its row: the one that is there, unless something has changed."""
        row = _kept(self._events, event["position"], event, MOST)
        self._newest = max(self._newest, row.position)
        return row

    def of_discard(self, discard: Mapping[str, Any]) -> Row:
        """The same of a call that could not be used, or of a duplicate."""
        key = discard["at"], discard["source"], discard["message_id"], discard.get("code")
        return _kept(self._discards, key, discard, MOST_DISCARDS)

    def settled_at(self, position: int) -> Row | None:
        """The row of this event, if nothing will change in it."""
        row = self._events.get(position)
        return row if row is not None and row.is_settled else None

    def settled(self, after: int) -> dict[int, Row]:
        """All of these behind a position."""
        if after >= self._newest:  # so it is with most looks, and there are many rows
            return {}
        return {row.position: row for row in self._events.values() if row.is_settled and row.position > after}


def _kept(rows: OrderedDict[Hashable, Row], key: Hashable, what: Mapping[str, Any], most: int) -> Row:
    row = rows.get(key)
    if row is None or row.event != what:
        row = rows[key] = Row(what)
    rows.move_to_end(key)
    if len(rows) > most:
        rows.popitem(last=False)
    return row
