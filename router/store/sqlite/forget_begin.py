"""The first transaction of a regulation: who is meant, up to which event, who is suppressed, and what the directory knew of them.

With the directory in the same transaction, what a later call tells of the person is new, and stays.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from router.store.regulation import Demand, Regulation, Step, Tool
from router.store.rows import PART
from router.store.sqlite import regulation_rows
from router.store.sqlite.event_columns import key_list
from router.store.suppressions import Suppressions


def joined(db: sqlite3.Connection, user_keys: Iterable[str]) -> dict[str, list[str]]:
    """The anonymous keys that the directory has joined to each of these. Reads every link: 0.2 s for a million, measured."""
    found: dict[str, list[str]] = {key: [] for key in user_keys}
    rows = db.execute(
        "SELECT DISTINCT user_key, anonymous_key FROM link WHERE part = ? AND user_key IN (SELECT value FROM json_each(?))"
        " ORDER BY anonymous_key",
        (PART, key_list(list(found))),
    )
    for user_key, anonymous_key in rows:
        found[user_key].append(anonymous_key)
    return found


def begin(
    db: sqlite3.Connection, demand: Demand, suppressions: Suppressions, bound: int, now_ms: int
) -> tuple[Regulation, list[tuple[bytes, bytes]]]:
    """Record the demand. `bound`: the newest event. Returns the regulation, and the hashes that it has suppressed."""
    people = joined(db, demand.subjects)
    first = demand.subjects[0]
    people[first] = [*dict.fromkeys((*people[first], *demand.also))]
    rows = [
        (suppressions.hash_of(key), suppressions.hash_of(subject))
        for subject, others in people.items()
        for key in (subject, *others)
    ]
    regulation = Regulation(
        demand.id,
        demand.kind,
        demand.subject_type,
        len(people),
        now_ms,
        bound,
        Step.ROWS if demand.deletes else Step.NOTE,
        [one.hex() for one, _ in rows],
        [suppressions.hash_of(subject).hex() for subject in people],
        suppressions.key,
    )
    if demand.suppresses:
        regulation_rows.suppress(db, rows, now_ms)
    if demand.unsuppresses:
        regulation_rows.unsuppress(db, [suppressions.hash_of(subject) for subject in people])
    if demand.deletes:
        regulation.keys = [key for subject, others in people.items() for key in (subject, *others)]
        regulation.people = [[subject, *others] for subject, others in people.items()]
        regulation.tools = {name: Tool() for name in demand.tools}
        start_erasing(db, regulation)
    else:
        regulation_rows.write(db, regulation)
    return regulation, rows if demand.suppresses else []


def start_erasing(db: sqlite3.Connection, regulation: Regulation) -> None:
    """The directory forgets the people whose keys the regulation has; the rest of them is erased step by step."""
    regulation.near = _near(db, regulation.keys)
    regulation.step = Step.ROWS
    regulation.count(directory=_erase_directory(db, regulation.keys))
    regulation_rows.write(db, regulation)


def _near(db: sqlite3.Connection, keys: list[str]) -> list[str]:
    """These, and the users that one of their anonymousIds was ever joined to: their lanes may hold its events."""
    rows = db.execute(
        "SELECT DISTINCT user_key FROM link WHERE part = ? AND anonymous_key IN (SELECT value FROM json_each(?))",
        (PART, key_list(keys)),
    )
    return [*dict.fromkeys([*keys, *(key for (key,) in rows)])]


def _erase_directory(db: sqlite3.Connection, keys: list[str]) -> int:
    """Traits, memberships, links and consent. Returns how many rows that were."""
    erased = 0
    for table, column in (
        ("person", "user_key"),
        ("membership", "user_key"),
        ("link", "user_key"),
        ("link", "anonymous_key"),
        ("consent", "user_key"),
    ):
        erased += db.execute(
            f"DELETE FROM {table} WHERE part = ? AND {column} IN (SELECT value FROM json_each(?))",
            (PART, key_list(keys)),
        ).rowcount
    return erased
