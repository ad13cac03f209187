"""Rows of events, shared by all pages that show them: each is asked for and made once, whatever the pages filter by."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import Any

from router.vocabulary import UNSETTLED

MOST, MOST_DISCARDS = 2_000, 500
"""Rows that are kept for the next page that shows them: those that were used last."""

FRESH_MS = 10_000
"""A row that was read longer ago is asked for again: its person may have been forgotten, and a replay sends dead events again."""


class Row:
    """One event, as `/api/events` gives it, or one discard; and its HTML once a page was made of it, as bytes: pages send it
    again and again."""

    __slots__ = ("event", "html", "is_settled", "position", "read_ms")

    def __init__(self, event: Mapping[str, Any]) -> None:
        self.event, self.html = event, b""
        self.read_ms = 0  #: when the store said so last
        self.position: int = event.get("position", 0)  #: in the log
        #: whether nothing goes on with it at any destination
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
    """Those of one list of destinations, in their modes."""

    def __init__(self) -> None:
        self._events: OrderedDict[Hashable, Row] = OrderedDict()
        self._discards: OrderedDict[Hashable, Row] = OrderedDict()
        self._newest = 0  # position

    def of_event(self, event: Mapping[str, Any], now_ms: int) -> Row:
        """Its row, as the store has just told it: the one that is there, unless something has changed."""
        row = _kept(self._events, event["position"], event, MOST)
        row.read_ms = now_ms
        self._newest = max(self._newest, row.position)
        return row

    def of_discard(self, discard: Mapping[str, Any]) -> Row:
        """The row of a call that could not be used, or of a duplicate."""
        key = discard["at"], discard["source"], discard["message_id"], discard.get("code")
        return _kept(self._discards, key, discard, MOST_DISCARDS)

    def fresh_at(self, position: int, now_ms: int) -> Row | None:
        """The row of this event, if it need not be asked for again."""
        row = self._events.get(position)
        return row if row is not None and is_fresh(row, now_ms) else None

    def fresh(self, after: int, now_ms: int) -> dict[int, Row]:
        """All of these behind a position."""
        if after >= self._newest:  # most looks ask for what is newer than every row
            return {}
        return {row.position: row for row in self._events.values() if row.position > after and is_fresh(row, now_ms)}


def is_fresh(row: Row, now_ms: int) -> bool:
    """Whether it need not be asked for again."""
    return row.is_settled and now_ms - row.read_ms < FRESH_MS


def _kept(rows: OrderedDict[Hashable, Row], key: Hashable, what: Mapping[str, Any], most: int) -> Row:
    row = rows.get(key)
    if row is None or row.event != what:
        row = rows[key] = Row(what)
    rows.move_to_end(key)
    if len(rows) > most:
        rows.popitem(last=False)
    return row
