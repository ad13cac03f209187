"""Events go into the log, many with one statement. To bind a value takes 60 ns, and an event has eight: so a position is counted from the first
one, and what all calls of a request have in common is bound once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain

from router.event import Call
from router.store.rows import PART
from router.store.sqlite.bulk_insert import ROWS_A_STATEMENT

ALONE = 25
"""Calls of a request, from which on it gets statements of its own."""


def insert_events(db: sqlite3.Connection, first: int, requests: Iterable[Sequence[Call]]) -> None:
    """Insert the calls of these requests, in their order, at the positions from `first` on."""
    together: list[Call] = []
    for calls in requests:
        if len(calls) < ALONE or not _have_one_source_and_instant(calls):
            together += calls
            continue
        _insert(db, first, together, common=False)
        first += len(together)
        together = []
        _insert(db, first, calls, common=True)
        first += len(calls)
    _insert(db, first, together, common=False)


def _have_one_source_and_instant(calls: Sequence[Call]) -> bool:
    source, instant = calls[0].source, calls[0].received_at
    return [c.received_at for c in calls].count(instant) == len(calls) == [c.source for c in calls].count(source)


def _insert(db: sqlite3.Connection, first: int, calls: Sequence[Call], *, common: bool) -> None:
    at = 0
    for count in ROWS_A_STATEMENT:
        while len(calls) - at >= count:
            some = calls[at : at + count]
            if common:
                values = chain.from_iterable([(c.type, c.user_key, c.message_id, c.body) for c in some])
                db.execute(_statement(count, 4), (first + at, some[0].received_at, some[0].source, *values))
            else:
                rows = [(c.received_at, c.source, c.type, c.user_key, c.message_id, c.body) for c in some]
                db.execute(_statement(count, 6), (first + at, *chain.from_iterable(rows)))
            at += count


@lru_cache(maxsize=64)
def _statement(rows: int, own: int) -> str:
    """`own`: of the six values behind the position, how many at the end each row has for itself."""
    common = "".join(f"?{n}, " for n in range(2, 8 - own))
    values = ", ".join("?" * own)
    return "INSERT INTO log VALUES " + ", ".join(f"({PART}, ?1 + {n}, {common}{values})" for n in range(rows))
