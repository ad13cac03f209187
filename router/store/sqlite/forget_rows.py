"""Erase what a destination has of people and groups: parked rows, dead letters, keyed state. Runs in the writing thread, a slice a
transaction, while no worker of the destination has anything of theirs in memory.

An event that was not settled is dead from here on (`forgotten`), so the ledger adds up as before.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from router.store.forget_state import StateOf
from router.store.forgotten import ids_of
from router.store.names_in_texts import Names
from router.store.regulation import Regulation
from router.store.rows import ORDER_KEY_STEP, PART
from router.store.sqlite import kept_events, regulation_rows
from router.store.sqlite.apply_commit import OutcomeCodes
from router.store.sqlite.event_columns import key_list
from router.store.sqlite.forget_begin import near
from router.vocabulary import FORGOTTEN, EventState, LaneMode, Queue

SLICE = 500
"""Rows that one transaction erases."""

AT = f"iif(%(p)s.pos > 0, %(p)s.pos, -%(p)s.pos / {ORDER_KEY_STEP})"
"""Where in the log a row stands: what a timer returned, and a second sending, stand between two events."""
THEIRS = "IN (SELECT value FROM json_each(:keys))"
NEAR = "IN (SELECT value FROM json_each(:near))"
# Without the index that is named SQLite reads every row of the destination: 14 s for 100 people among 5,000, in place of 0.3.
PARKED = (
    f"SELECT p.pos, p.user_key, p.state, p.origin, length(coalesce(l.body, k.body, w.body))"
    " FROM parked p INDEXED BY parked_in_order"
    " LEFT JOIN log l ON l.pos = iif(p.origin = 0, p.pos, p.origin)"
    " LEFT JOIN kept k ON k.pos = iif(p.origin = 0, p.pos, p.origin)"
    " LEFT JOIN woken w ON w.part = p.part AND w.destination = p.destination AND w.pos = p.pos"
    f" WHERE p.part = :part AND p.destination = :destination AND p.user_key {NEAR}"
    f" AND iif(p.origin <> 0, p.origin, {AT % {'p': 'p'}}) <= :bound"
    f" AND (p.user_key {THEIRS} OR coalesce(l.user_key, k.user_key) {THEIRS}) AND w.type IS NOT 'forget' LIMIT :limit"
)
"""A deletion that the vendor is asked for stays: it is the one thing that is still to be sent."""
DEAD = (
    "SELECT d.pos, d.size FROM dead d LEFT JOIN log l ON l.pos = d.pos LEFT JOIN kept k ON k.pos = d.pos"
    f" WHERE d.part = :part AND d.destination = :destination AND d.user_key {NEAR} AND {AT % {'p': 'd'}} <= :bound"
    f" AND (d.user_key {THEIRS} OR coalesce(l.user_key, k.user_key) {THEIRS}) LIMIT :limit"
)
HERE = "part = :part AND destination = :destination"


def _values(db: sqlite3.Connection, destination: str, regulation: Regulation, limit: int) -> dict[str, object]:
    near_now = [*dict.fromkeys([*regulation.near, *near(db, regulation.keys)])]  # what is held may have moved meanwhile
    return {
        "part": PART, "destination": destination, "keys": key_list(regulation.keys), "near": key_list(near_now),
        "groups": key_list(sorted(regulation.groups)), "bound": regulation.bound, "limit": limit,
    }  # fmt: skip


def touches(db: sqlite3.Connection, destination: str, regulation: Regulation) -> bool:
    """Whether the destination has any row of these people. Looks at each of its dead letters and state keys."""
    values = _values(db, destination, regulation, 1)
    small = (f"supply WHERE {HERE} AND user_key {THEIRS}", f"timer WHERE {HERE} AND user_key {THEIRS}",
             f"lane WHERE {HERE} AND (need {THEIRS} OR also {THEIRS} OR user_key {THEIRS})")  # fmt: skip
    return (
        db.execute(PARKED, values).fetchone() is not None
        or db.execute(DEAD, values).fetchone() is not None
        or any(db.execute(f"SELECT 1 FROM {where} LIMIT 1", values).fetchone() for where in small)
        or bool(state_keys(db, destination, regulation))
    )


def erase(
    db: sqlite3.Connection,
    destination: str,
    regulation: Regulation,
    states: Sequence[str],
    codes: OutcomeCodes,
    now_ms: int,
) -> bool:
    """Erase the next slice, and count it in the regulation; `states`, the keys of their state, with the last one. False: the
    destination has nothing more of these people."""
    values = _values(db, destination, regulation, SLICE)
    parked = db.execute(PARKED, values).fetchall()
    letters = db.execute(DEAD, values).fetchall()
    code = codes.code(db, EventState.DEAD, FORGOTTEN)
    if parked:
        erase_parked(db, destination, parked, code, now_ms)
    if letters:
        erase_letters(db, destination, letters, code, now_ms)
    if not parked and not letters:
        _erase_state(db, destination, regulation, states, now_ms)
        _erase_group_calls(db, values)
    regulation.count(waiting=sum(pos > 0 for pos, *_ in parked), dead=len(letters))
    return bool(parked or letters)


def erase_deletions(
    db: sqlite3.Connection, destination: str, positions: Sequence[int], codes: OutcomeCodes, now_ms: int
) -> None:
    """Erase what the destination was asked to delete, whether it waits or failed."""
    code = codes.code(db, EventState.DEAD, FORGOTTEN)
    here = (PART, destination, key_list(positions))
    where = "part = ? AND destination = ? AND pos IN (SELECT value FROM json_each(?))"
    parked = db.execute(f"SELECT pos, user_key, state, origin, 0 FROM parked WHERE {where}", here).fetchall()
    erase_parked(db, destination, parked, code, now_ms)
    letters = db.execute(f"SELECT pos, size FROM dead WHERE {where}", here).fetchall()
    erase_letters(db, destination, letters, code, now_ms)


def erase_parked(
    db: sqlite3.Connection, destination: str, rows: Sequence[tuple[int, str, str, int, int]], code: int, now_ms: int
) -> None:
    """These parked rows (pos, user key, state, origin, bytes): their events are dead. Who waits for one of them asks again."""
    counts: Counter[str] = Counter()
    for pos, _, state, origin, size in rows:
        counts["parked_bytes"] -= size or 0
        if pos > 0:  # what timers return is counted in no ledger
            counts[EventState.DEAD] += 1
            if state in (EventState.HELD, EventState.RETRYING):
                counts[state] -= 1
        elif origin:
            counts.update({f"again_{EventState.DEAD}": 1, f"again_{state}": -1})
    gone = [(PART, destination, pos) for pos, *_ in rows]
    db.executemany("DELETE FROM parked WHERE part = ? AND destination = ? AND pos = ?", gone)
    _tell(db, destination, [pos for pos, *_ in rows], code, now_ms)
    kept_events.let_go(db, destination, _referred(db, [pos for row in rows for pos in (row[0], row[3]) if pos]))
    count(db, destination, counts)
    waiting = _waiting_for(db, destination, [pos for pos, *_ in rows])
    for key in dict.fromkeys([*(key for _, key, *_ in rows), *waiting]):
        _mend_lane(db, destination, key, now_ms)


def _waiting_for(db: sqlite3.Connection, destination: str, positions: Iterable[int]) -> list[str]:
    """The lanes that wait for the group call at one of these positions."""
    needs = key_list([f"c:{pos}" for pos in positions if pos > 0])
    # The last two conditions are those of the index.
    sql = (
        "SELECT user_key FROM lane WHERE part = ? AND destination = ? AND need IN (SELECT value FROM json_each(?))"
        " AND need <> '' AND need <> user_key"
    )
    return [key for (key,) in db.execute(sql, (PART, destination, needs))]


def erase_letters(
    db: sqlite3.Connection, destination: str, rows: Sequence[tuple[int, int]], code: int, now_ms: int
) -> None:
    """These dead letters (pos, bytes)."""
    where = "part = ? AND destination = ? AND pos = ?"
    gone = [(PART, destination, pos) for pos, _ in rows]
    own = [key[2] for key in gone if db.execute(f"SELECT 1 FROM dead WHERE {where} AND again = 0", key).fetchone()]
    db.executemany(f"DELETE FROM dead WHERE {where}", gone)
    _tell(db, destination, own, code, now_ms)  # of a second sending the event keeps what it came to
    kept_events.let_go(db, destination, _referred(db, [pos for pos, _ in rows]))
    count(db, destination, {"letters": -len(rows), "letter_bytes": -sum(size for _, size in rows)})


def _referred(db: sqlite3.Connection, positions: Iterable[int]) -> list[int]:
    """Those that are in no log: not any more, or never."""
    first = kept_events.log_begins(db)
    return [pos for pos in positions if pos < first]


def _tell(db: sqlite3.Connection, destination: str, positions: Iterable[int], code: int, now_ms: int) -> None:
    """What `why` is to say of them."""
    rows = [(PART, destination, pos, now_ms, code) for pos in positions if pos > 0]
    db.executemany("INSERT OR REPLACE INTO outcome (part, destination, pos, at, code) VALUES (?, ?, ?, ?, ?)", rows)


def count(db: sqlite3.Connection, destination: str, counts: Mapping[str, int]) -> None:
    """Change the counters of the destination."""
    changes = {name: n for name, n in counts.items() if n}
    if changes:
        sets = ", ".join(f"{name} = {name} + ?" for name in changes)
        db.execute(
            f"UPDATE cursor SET {sets} WHERE part = ? AND destination = ?", (*changes.values(), PART, destination)
        )


def _mend_lane(db: sqlite3.Connection, destination: str, key: str, now_ms: int) -> None:
    """What is left behind the rows that went has its turn now; without any the lane goes."""
    here = (PART, destination, key)
    held, main, since, first = db.execute(
        "SELECT coalesce(sum(queue = ?), 0), coalesce(sum(queue <> ?), 0), coalesce(min(iif(queue = ?, parked_at, NULL)), 0),"
        " coalesce(min(iif(queue = ?, place, NULL)), 0) FROM parked INDEXED BY parked_in_order"
        " WHERE part = ? AND destination = ? AND user_key = ?",
        (*[Queue.HELD] * 4, *here),
    ).fetchone()
    where = "part = ? AND destination = ? AND user_key = ?"
    if not held and not main:
        db.execute(f"DELETE FROM lane WHERE {where}", here)
        return
    db.execute(
        "UPDATE lane SET mode = ?, need = '', also = '', reason = '', group_id = '', refused_pos = 0, attempts = 0, due_at = ?,"
        f" held = ?, main = ?, held_since = ?, first_held = ? WHERE {where}",
        (LaneMode.WAITING, now_ms, held, main, since, first, *here),
    )


def _erase_state(
    db: sqlite3.Connection, destination: str, regulation: Regulation, states: Sequence[str], now_ms: int
) -> None:
    """Keyed state that names the person, its timers, and what lanes of others waited for."""
    values = _values(db, destination, regulation, SLICE)
    for key in states:
        for table in ("state", "timer"):
            db.execute(f"DELETE FROM {table} WHERE part = ? AND destination = ? AND key = ?", (PART, destination, key))
    db.execute(f"DELETE FROM timer WHERE {HERE} AND user_key {THEIRS}", values)
    db.execute(f"DELETE FROM opening WHERE {HERE} AND need {THEIRS}", values)
    _erase_pause(db, values, Names(regulation.told_as))
    _erase_waits(db, destination, values, now_ms)


def _erase_waits(db: sqlite3.Connection, destination: str, values: dict[str, object], now_ms: int) -> None:
    """Lanes of others that wait for them, or have waited for a trait of theirs, ask their gate again: now, or once their retry is due."""
    theirs = f"need {THEIRS} OR also {THEIRS} OR group_id IN (SELECT value FROM json_each(:groups))"
    db.execute(
        "UPDATE lane SET need = '', also = '', reason = '', group_id = '', refused_pos = 0"
        f" WHERE {HERE} AND mode = '{LaneMode.RETRY}' AND ({theirs}) AND NOT user_key {THEIRS}",
        values,
    )
    lanes = f"SELECT user_key FROM lane WHERE {HERE} AND ({theirs} OR user_key {THEIRS})"
    for (key,) in db.execute(lanes, values).fetchall():
        _mend_lane(db, destination, key, now_ms)


def _erase_pause(db: sqlite3.Connection, values: dict[str, object], names: Names) -> None:
    """Why the destination is paused, where a vendor's answer that names them is the reason."""
    details = db.execute(f"SELECT state_detail FROM cursor WHERE {HERE}", values).fetchall()
    if any(names.are_in(detail) for (detail,) in details):
        db.execute(f"UPDATE cursor SET state_detail = '' WHERE {HERE}", values)


def state_keys(db: sqlite3.Connection, destination: str, regulation: Regulation) -> list[str]:
    """State of the person's own timers, and state whose key or value names them. Reads all state of the destination, so in a reading
    connection's thread. The name of a group may be any word, so by it only state of a member is found: of one that it names, or whose
    timer it has."""
    values = _values(db, destination, regulation, SLICE)
    timer = f"SELECT key FROM timer WHERE {HERE} AND user_key"
    keys = {key for (key,) in db.execute(f"{timer} {THEIRS}", values)}
    theirs, named = StateOf(ids_of(regulation.keys)), StateOf(ids_of(regulation.names))
    keys_of_members = regulation_rows.members(db, regulation.id) if regulation.names else []
    members, values["near"] = StateOf(ids_of(keys_of_members)), key_list(keys_of_members)
    of_members = {key for (key,) in db.execute(f"{timer} {NEAR}", values)}
    for key, value in db.execute(f"SELECT key, value FROM state WHERE {HERE}", values):
        said = bytes(value)
        by_name = named.has(key, said) and (key in of_members or members.has(key, said))
        if by_name or theirs.has(key, said):
            keys.add(key)
    return sorted(keys)


def _erase_group_calls(db: sqlite3.Connection, values: dict[str, object]) -> None:
    """A group call that was not sent stays unsent for the others of its group; whose it was is forgotten. Of a group that is forgotten
    nobody asks for one any more."""
    db.execute(
        f"DELETE FROM supply WHERE {HERE} AND group_id IN (SELECT value FROM json_each(:groups)) AND pos <= :bound",
        values,
    )
    rows = db.execute(
        f"SELECT pos, missing FROM supply WHERE {HERE} AND user_key {THEIRS} AND pos <= :bound", values
    ).fetchall()
    for pos, missing in rows:
        left = [what for what in msgspec.json.decode(missing) if what != "id"]
        here = {**values, "pos": pos, "missing": msgspec.json.encode(left).decode()}
        if left:
            db.execute(f"UPDATE supply SET user_key = '', missing = :missing WHERE {HERE} AND pos = :pos", here)
        else:
            db.execute(f"DELETE FROM supply WHERE {HERE} AND pos = :pos", here)
