"""The first transaction of a regulation: who is meant, up to which event, who is suppressed, and what the directory knew of them.

With the directory in the same transaction, what a later call tells of the person or group is new, and stays. No index says which anonymousIds
were joined to a user, and to read every link would keep all events waiting meanwhile. So they are read beside it, in a reading connection's thread,
after a trigger was set that notes what is joined from then on; the transaction adds those.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from router.store.regulation import Demand, Regulation, Step
from router.store.regulation_begun import Joined, begun
from router.store.rows import PART
from router.store.sqlite import forget_groups, regulation_rows
from router.store.sqlite.event_columns import key_list
from router.store.suppressions import Suppressions


def note_links(db: sqlite3.Connection) -> None:
    """Note every link that is made from now on, in memory."""
    note_links_no_longer(db)
    db.execute("CREATE TABLE temp.new_link (anonymous_key TEXT NOT NULL, user_key TEXT NOT NULL)")
    db.execute(
        "CREATE TEMP TRIGGER note_link AFTER INSERT ON main.link"
        " BEGIN INSERT INTO new_link VALUES (NEW.anonymous_key, NEW.user_key); END"
    )


def note_links_no_longer(db: sqlite3.Connection) -> None:
    """Forget what was noted."""
    db.execute("DROP TRIGGER IF EXISTS temp.note_link")
    db.execute("DROP TABLE IF EXISTS temp.new_link")


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
    db: sqlite3.Connection, demand: Demand, known: Joined, suppressions: Suppressions, bound: int, now_ms: int
) -> tuple[Regulation, list[tuple[bytes, bytes]]]:
    """Record the demand. `known`: what was joined to its subjects, read since links are noted; `bound`: the newest event. Returns the
    regulation, and the hashes that it has suppressed."""
    joined: dict[str, list[str]] = {subject: [*known.get(subject, ())] for subject in demand.subjects}
    for anonymous_key, user_key in db.execute("SELECT anonymous_key, user_key FROM temp.new_link ORDER BY rowid"):
        if anonymous_key not in joined.get(user_key, (anonymous_key,)):
            joined[user_key].append(anonymous_key)
    regulation, rows = begun(demand, joined, suppressions, bound, now_ms)
    if demand.suppresses:
        regulation_rows.suppress(db, rows, now_ms)
    if demand.unsuppresses:
        regulation_rows.unsuppress(db, [suppressions.hash_of(subject) for subject in joined])
    if demand.deletes:
        start_erasing(db, regulation)
    else:
        regulation_rows.write(db, regulation)
    return regulation, rows if demand.suppresses else []


def start_erasing(db: sqlite3.Connection, regulation: Regulation) -> None:
    """The directory forgets the people, or the traits of the groups, whose keys the regulation has, with all that were joined to them; the
    rest of them is erased step by step."""
    regulation.near = near(db, regulation.keys)
    regulation.step = Step.ROWS
    if groups := regulation.groups:
        regulation.names = forget_groups.names_of(db, groups)
        regulation.count(directory=forget_groups.erase_traits(db, groups))
    regulation.count(directory=_erase_directory(db, regulation.keys))
    regulation_rows.write(db, regulation)


def near(db: sqlite3.Connection, keys: list[str]) -> list[str]:
    """These, and the users that one of their anonymousIds was ever joined to: their lanes may hold its events."""
    rows = db.execute(
        "SELECT DISTINCT user_key FROM link WHERE part = ? AND anonymous_key IN (SELECT value FROM json_each(?))",
        (PART, key_list(keys)),
    )
    return [*dict.fromkeys([*keys, *(key for (key,) in rows)])]


def _erase_directory(db: sqlite3.Connection, keys: list[str]) -> int:
    """Traits, memberships, links and consent. Returns how many rows that were. A link is found by its anonymous key, which is among these."""
    erased = 0
    for table, column in (
        ("person", "user_key"),
        ("membership", "user_key"),
        ("link", "anonymous_key"),
        ("consent", "user_key"),
    ):
        erased += db.execute(
            f"DELETE FROM {table} WHERE part = ? AND {column} IN (SELECT value FROM json_each(?))",
            (PART, key_list(keys)),
        ).rowcount
    return erased
