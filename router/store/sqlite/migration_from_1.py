"""Schema 1 to 2: parked rows and dead letters held a copy of their event; now they refer to the log, or to `kept`."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

import msgspec

from router.vocabulary import FOREVER_MS

REBUILT = ("cursor", "lane", "parked", "dead", "outcome", "attempt")
"""Tables of other columns than before."""
CREATED = re.compile(r"CREATE (?:TABLE|INDEX) (\w+)(?: ON (\w+))?")

CURSOR = (
    "part, destination, start, pos, ahead, delivered, skipped, filtered, held, retrying, dead, dry_run, replayed, parked_bytes,"
    " letters, letter_bytes, mode, gate, state, state_reason, state_since, state_until, state_detail, stopped_ms"
)
COPY = f"""
INSERT INTO cursor (shard, {CURSOR}) SELECT 0, {CURSOR} FROM old_cursor;
INSERT INTO kept SELECT p.part, p.pos, p.hash, p.received_at, p.source, p.type, p.user_key, p.message_id, p.body FROM (
    SELECT part, iif(origin = 0, pos, origin) AS pos, hash, received_at, source, type, user_key, message_id, body FROM old_parked
    UNION ALL SELECT part, pos, hash, received_at, source, type, user_key, message_id, body FROM old_dead
  ) p LEFT JOIN log USING (pos) WHERE p.pos > 0 AND log.pos IS NULL GROUP BY p.pos;
INSERT OR IGNORE INTO kept (part, pos, hash)
  SELECT o.part, o.pos, o.hash FROM old_outcome o LEFT JOIN log USING (pos) WHERE o.pos > 0 AND log.pos IS NULL;
INSERT INTO woken SELECT part, destination, pos, received_at, source, type, message_id, body FROM old_parked
  WHERE pos < 0 AND origin = 0;
INSERT OR IGNORE INTO woken SELECT part, destination, pos, received_at, source, type, message_id, body FROM old_dead WHERE pos < 0;
INSERT INTO parked SELECT part, destination, pos, user_key, queue, place, state, reason, parked_at, linked, given, items, made_by,
  attempts, first_at, origin FROM old_parked;
INSERT INTO dead SELECT part, destination, pos, at, user_key, reason, detail, linked, items, made_by, attempts,
  length(body) + coalesce(length(items), 0) + length(detail), 0 FROM old_dead;
INSERT INTO outcome (part, destination, pos, at, code) SELECT part, destination, pos, at, code FROM old_outcome;
INSERT INTO attempt SELECT part, destination, pos, at, duration_ms, status, error, reason, request,
  sum(100 + length(error) + length(request)) OVER (ORDER BY rowid) FROM old_attempt ORDER BY rowid;
INSERT INTO lane SELECT part, destination, user_key, mode, need, reason, group_id, due_at, attempts, held, main, held_since,
  first_held, also, 0 FROM old_lane
"""


def from_1(db: sqlite3.Connection, schema: Sequence[str]) -> None:
    """Inside the caller's transaction. `schema`: the statements that make the present one, of which its rebuilt tables are."""
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in REBUILT:
        sql = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
        for (index,) in db.execute(sql, (table,)).fetchall():
            db.execute(f"DROP INDEX {index}")
        db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in schema:
        name, of = CREATED.match(statement).groups()  # type: ignore[union-attr]
        if (of or name) in REBUILT or (of or name) not in there or name == "membership_taken_over":
            db.execute(statement)
    for statement in COPY.split(";"):
        db.execute(statement)
    for table in REBUILT:
        db.execute(f"DROP TABLE old_{table}")
    restart_group_rounds(db)


def restart_group_rounds(db: sqlite3.Connection) -> None:
    """A replay in its round of group calls counted that round in the place of the other one."""
    for part, destination, job in db.execute("SELECT part, destination, job FROM replay").fetchall():
        fields = msgspec.json.decode(job)
        if fields.pop("groups_first", False):
            fields |= {"groups_pos": fields["pos"], "pos": fields["first"]}
        else:
            fields["groups_pos"] = FOREVER_MS
        values = (msgspec.json.encode(fields), fields["pos"], part, destination)
        db.execute("UPDATE replay SET job = ?, pos = ? WHERE part = ? AND destination = ?", values)
