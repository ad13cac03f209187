"""Violations of tracking plans: counted in the transaction that accepts their calls, and kept for `violations`. Bounded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from router.event import Call
from router.store import violation_kinds
from router.store.rows import PART
from router.store.sqlite.event_columns import key_list
from router.store.violation_kinds import KEPT_IDS, PAGE, Kind, Met, kind_told, met_in


def add(db: sqlite3.Connection, calls: Iterable[tuple[Call, int]]) -> None:
    """Count what the plans say of these calls, each with its position."""
    if met := met_in(calls):
        _write(db, met)


def _write(db: sqlite3.Connection, met: Mapping[Kind, Met]) -> None:
    where = "part = ? AND source = ? AND event = ? AND type = ? AND field = ?"
    is_new = False
    for kind, found in met.items():
        row = db.execute(f"SELECT ids FROM violation WHERE {where}", (PART, *kind)).fetchone()
        if row is None:
            is_new = True
            values = (PART, *kind, found.description, found.n, found.first, found.last, _text(found.ids))
            db.execute("INSERT INTO violation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        else:
            ids = [*msgspec.json.decode(row[0]), *found.ids][-KEPT_IDS:]
            changed = (found.description, found.n, found.last, _text(ids), PART, *kind)
            db.execute(f"UPDATE violation SET description = ?, n = n + ?, last = ?, ids = ? WHERE {where}", changed)
    if is_new:
        excess = (
            db.execute("SELECT count(*) FROM violation WHERE part = ?", (PART,)).fetchone()[0] - violation_kinds.KEPT
        )
        if excess > 0:
            columns = "part, source, event, type, field"
            oldest = f"SELECT {columns} FROM violation WHERE part = ? ORDER BY last LIMIT ?"
            db.execute(f"DELETE FROM violation WHERE ({columns}) IN ({oldest})", (PART, excess))


def forget_ids(db: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Take these message ids out: their events were erased. What was counted stays."""
    theirs = "SELECT value FROM json_each(?)"
    db.execute(
        "UPDATE violation SET ids = (SELECT json_group_array(value) FROM json_each(violation.ids)"
        f" WHERE value NOT IN ({theirs}))"
        f" WHERE EXISTS (SELECT 1 FROM json_each(violation.ids) WHERE value IN ({theirs}))",
        (key_list(ids), key_list(ids)),
    )


def _text(ids: list[str]) -> str:
    return msgspec.json.encode(ids).decode()


def violations(db: sqlite3.Connection, source: str | None, event: str | None, since_ms: int) -> dict[str, Any]:
    """The kinds of violations that were met since an instant, the most frequent first, and how many more there are."""
    where, values = "part = ? AND last >= ?", [PART, since_ms]
    given: list[Any] = []
    for column, value in (("source", source), ("event", event)):
        if value is not None:
            where += f" AND {column} = ?"
            given.append(value)
    rows = db.execute(
        "SELECT source, event, type, field, description, n, first, last, ids, count(*) OVER () FROM violation"
        f" WHERE {where} ORDER BY n DESC, last DESC LIMIT {PAGE}",
        (*values, *given),
    ).fetchall()
    items = [
        kind_told((source, event, type, field), description, n, first, last, msgspec.json.decode(ids))
        for source, event, type, field, description, n, first, last, ids, _ in rows
    ]
    return {"items": items, "left_out": rows[0][-1] - len(rows) if rows else 0}
