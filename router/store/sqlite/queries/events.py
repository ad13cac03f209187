"""The newest events of a kind: who sent what, and what became of it.

The log has no index but its position, since one would cost every event that is accepted. So a search walks back from the newest
event, and stops after a bounded number of events; its answer says how far it came and where to go on. Events that wait at a
destination, and dead letters, are found by their rows, however old they are.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from router.clock import to_iso
from router.store import search_bounds
from router.store.event_words import NOTHING_LEFT, event_told, read_words, spelled
from router.store.fate_words import is_in, states_told
from router.store.rows import PART, EventQuery, LogRow
from router.store.sqlite.event_columns import key_list
from router.store.sqlite.forget_begin import joined
from router.store.sqlite.log_reads import last_before
from router.store.sqlite.queries.fates import fate_of
from router.store.sqlite.queries.waiting_of import waiting_of

ROWS_OF = {"held": "parked", "retrying": "parked", "dead": "dead"}
"""States of which every event has a row at its destination, and the table."""

COLUMNS = ("received_at", "source", "type", "user_key", "message_id", "body")

LOG_COLUMNS = "e.pos, e.received_at, e.source, e.type, e.user_key, e.message_id, e.body"
LOG = f"SELECT {LOG_COLUMNS} FROM log e WHERE e.pos > :low AND e.pos < :at {{where}} ORDER BY e.pos DESC"
SPREAD = "((((e.pos & 0xffffff) * 2654435761) & 0xffffffff) >> 16)"
"""A number of a position by which one in so many is taken, evenly: each third position, say, would meet only one of the three calls
that a sender always makes together."""
ROWS = (
    "SELECT pos, received_at, source, type, user_key, message_id, body FROM (SELECT x.pos AS pos, {columns} FROM"
    " ({rows}) x"
    " LEFT JOIN log l ON l.pos = x.pos LEFT JOIN kept k ON k.pos = x.pos) e WHERE e.type IS NOT NULL"
    " AND e.received_at >= :since {where}"
    " ORDER BY e.pos DESC"
)
OWN = "SELECT pos FROM {table} WHERE part = :part AND destination = :place AND pos > :low AND pos < :at"
AT_PLACE = {
    "dead": OWN.format(table="dead"),
    "parked": f"{OWN.format(table='parked')} UNION ALL SELECT origin FROM parked WHERE part = :part AND destination = :place"
    " AND origin > :low AND origin < :at AND origin <> 0",
}
"""A second sending stands for its event. The last condition is that of the index."""
WAITING = "SELECT value AS pos FROM json_each(:waiting)"
COALESCED = ", ".join(f"coalesce(l.{name}, k.{name}) AS {name}" for name in COLUMNS)
GROUP_THEN = (
    "SELECT m.group_id FROM membership m WHERE m.part = :part AND m.user_key = {user} AND m.pos <= {pos}"
    " ORDER BY m.pos DESC LIMIT 1"
)


class Search:
    """One search, a slice at a time: `begin`, then `look_on` until it `is_over`, then `answer`."""

    def __init__(self, which: EventQuery, destinations: Sequence[str], before: int | None, limit: int) -> None:
        """`destinations`: those whose states are shown, in this order."""
        self.is_over = False
        self._which, self._destinations, self._before, self._limit = which, destinations, before, limit
        self._table = ROWS_OF.get(which.state or "")
        self._slice, self._look_back = search_bounds.SLICE, search_bounds.LOOK_BACK
        if which.asks_states:
            self._slice, self._look_back = search_bounds.SLICE_WITH_STATES, search_bounds.LOOK_BACK_WITH_STATES
        self._user_keys: list[str] = []  #: of the person, if there is one
        self._waiting: list[int] | None = (
            None  #: where the rows of a person are asked for: their positions, newest first
        )
        self._count = self._head = 0
        self._found: list[dict[str, Any]] = []
        self._at = self._low = self._looked_at = 0
        self._oldest: int | None = None  # ms: acceptance of the oldest event that was looked at

    def begin(self, db: sqlite3.Connection) -> None:
        """Where it starts, and where the log or the time asked for ends; and under which keys a person has sent."""
        if (user_key := self._which.user_key) is not None:
            self._user_keys = [user_key, *joined(db, [user_key])[user_key]]
        head = self._head = db.execute("SELECT pos FROM head WHERE part = ?", (PART,)).fetchone()[0]
        self._at = head + 1 if self._before is None else min(self._before, head + 1)
        first = db.execute("SELECT coalesce(min(pos), 1) FROM log").fetchone()[0]
        self._low = max(self._which.after, 0 if self._table else first - 1)
        if self._which.since and not self._table:
            self._low = last_before(db, self._which.since, self._low)
        if self._user_keys and self._table == "parked" and not self._which.at:
            most = self._look_back + 1
            self._waiting = waiting_of(db, self._user_keys, self._places(), self._low, self._at, most)
        self.is_over = self._at <= self._low + 1

    def look_on(self, db: sqlite3.Connection) -> None:
        """Look at the next slice."""
        low = self._end_of_slice(db)
        for row in () if self._which.every == 0 else self._rows(db, low):
            event = self._judged(db, row)
            if event is not None:
                self._found.append(event)
                if len(self._found) == self._limit:
                    low = row[0] - 1
                    break
        if self._which.every == 0:
            self._count += self._count_slice(db, low)
        self._looked_at += self._slice
        self._at = low + 1
        done = len(self._found) == self._limit or self._looked_at >= self._look_back
        self.is_over = done or self._at <= self._low + 1
        oldest = db.execute("SELECT received_at FROM log WHERE pos >= ? ORDER BY pos LIMIT 1", (self._at,)).fetchone()
        self._oldest = oldest[0] if oldest else None

    def answer(self) -> dict[str, Any]:
        """What it found, newest first; `next` where there may be more, to be asked for as `before`. `searched_to` is the instant
        down to which it has looked, where it gave up before it found enough. `head`: the newest position. `count`: how many there
        are, where they were counted only."""
        more = self._at > self._low + 1
        gave_up = more and len(self._found) < self._limit
        return {
            "items": self._found,
            "next": self._at if more else None,
            "searched_to": to_iso(self._oldest) if gave_up and self._oldest is not None else None,
            "head": self._head,
            **({"count": self._count} if self._which.every == 0 else {}),
        }

    def _end_of_slice(self, db: sqlite3.Connection) -> int:
        """The position behind which the next slice begins."""
        if self._which.at:
            return self._low
        if not self._table:
            return max(self._low, self._at - 1 - self._slice)
        if self._waiting is not None:
            left = [pos for pos in self._waiting if pos < self._at]
            return left[self._slice] if len(left) > self._slice else self._low
        sql = f"{AT_PLACE[self._table]} ORDER BY pos DESC LIMIT 1 OFFSET :slice"
        values = {"part": PART, "low": self._low, "at": self._at, "slice": self._slice}
        cuts = [db.execute(sql, {**values, "place": place}).fetchone() for place in self._places()]
        return max([self._low, *(int(cut[0]) for cut in cuts if cut)])

    def _places(self) -> list[str]:
        """The destinations of which one must have the event in the state that is asked for."""
        return [self._which.destination] if self._which.destination else list(self._destinations)

    def _rows(self, db: sqlite3.Connection, low: int) -> Iterator[tuple[Any, ...]]:
        """The events of a slice that pass what SQL can judge, newest first."""
        where, values = self._conditions()
        values |= {"part": PART, "low": low, "at": self._at, "since": self._which.since}
        if not self._table:
            yield from db.execute(LOG.format(where=where), values)
            return
        if self._waiting is not None:
            values["waiting"] = key_list([pos for pos in self._waiting if low < pos < self._at])
            yield from db.execute(ROWS.format(columns=COALESCED, rows=WAITING, where=where), values)
            return
        sql = ROWS.format(columns=COALESCED, rows=AT_PLACE[self._table], where=where)
        rows = {row[0]: row for place in self._places() for row in db.execute(sql, {**values, "place": place})}
        yield from (rows[pos] for pos in sorted(rows, reverse=True))

    def _count_slice(self, db: sqlite3.Connection, low: int) -> int:
        """How many events of a slice are of this kind. Their bodies are read only if it is the body that says so."""
        if self._which.name is not None or self._which.group_id is not None or self._which.asks_states:
            return sum(self._judged(db, row) is not None for row in self._rows(db, low))
        where, values = self._conditions()
        sql = LOG.format(where=where).replace(LOG_COLUMNS, "count(*)").partition(" ORDER BY ")[0]
        return int(db.execute(sql, {**values, "low": low, "at": self._at}).fetchone()[0])

    def _conditions(self) -> tuple[str, dict[str, Any]]:
        """What SQL judges. It may let through too much of `name` and `group_id`, which `_judged` sorts out."""
        which, words = self._which, ""
        values: dict[str, Any] = {}
        if self._user_keys:
            words += " AND e.user_key IN (SELECT value FROM json_each(:user_keys))"
            values["user_keys"] = key_list(self._user_keys)
        if which.at:
            words += " AND e.pos IN (SELECT value FROM json_each(:positions))"
            values["positions"] = json.dumps(which.at)
        if which.every > 1:
            words += f" AND {SPREAD} % :every = 0"
            values["every"] = which.every
        for column in ("type", "source"):
            if (value := getattr(which, column)) is not None:
                words += f" AND e.{column} = :{column}"
                values[column] = value
        if which.name is not None:
            words += f" AND ({_contains('name', which.name, values)})"
        if which.group_id is not None:
            then = GROUP_THEN.format(user="e.user_key", pos="e.pos")
            words += f" AND ({_contains('group', which.group_id, values)} OR ({then}) = :group_id)"
            values["group_id"] = which.group_id
        return words, values

    def _judged(self, db: sqlite3.Connection, row: tuple[Any, ...]) -> dict[str, Any] | None:
        """The event as it is shown; None where it is not of the kind."""
        pos, received_at, source, type_, user_key, message_id, body = row
        which = self._which
        name, group_id = read_words(bytes(body or NOTHING_LEFT))
        if which.name is not None and name != which.name:
            return None
        if (which.every == 0 or pos in which.known) and which.group_id is None and not which.asks_states:
            return {"position": pos}
        if group_id is None:
            then = db.execute(GROUP_THEN.format(user=":user", pos=":pos"), {"part": PART, "user": user_key, "pos": pos})
            group_id = next((value or None for (value,) in then), None)  # empty: it was forgotten
        if which.group_id is not None and group_id != which.group_id:
            return None
        states = {place: fate for place in self._destinations if (fate := fate_of(db, place, pos))}
        asked = [states[place] for place in self._places() if place in states]
        if which.asks_states and not any(is_in(fate, which.state, which.reason) for fate in asked):
            return None
        told = {place: states_told(fate) for place, fate in states.items()}
        return event_told(LogRow(pos, received_at, source, type_, user_key, message_id, body), name, group_id, told)


def begin(db: sqlite3.Connection, searches: Sequence[Search]) -> list[Search]:
    """Begin them in one snapshot, each with its first slice. Returns those that are not over."""
    for search in searches:
        search.begin(db)
        if not search.is_over:
            search.look_on(db)
    return [search for search in searches if not search.is_over]


def _contains(key: str, text: str, values: dict[str, Any]) -> str:
    """A condition that holds where a body has this text in it, as JSON libraries may spell it: with or without escapes."""
    needles = spelled(text)
    for number, needle in enumerate(needles):
        values[f"{key}{number}"] = needle
    return " OR ".join(f"instr(e.body, :{key}{number}) > 0" for number in range(len(needles)))
