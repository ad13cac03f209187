"""What waits for a person is read from the embedded store by the index of lanes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from router.store import EventQuery
from router.store.sqlite import connection
from router.store.sqlite.queries.events import Search
from router.store.sqlite.queries.events_of import EventsOf


@pytest.fixture
def db() -> sqlite3.Connection:
    """A browser of u1, whose held events went to u0; and 3,000 events of others."""
    db = sqlite3.connect(":memory:")
    db.executescript((Path(connection.__file__).parent / "schema.sql").read_text())
    db.execute("INSERT INTO head VALUES (0, 3010, 0, 0, 0, 0)")
    db.executemany("INSERT INTO link VALUES (0, 'a:a1', ?, ?)", [(1, "u:u0"), (2, "u:u1")])
    users = {pos: f"u:other{pos}" for pos in range(11, 3011)} | {3: "u:u0", 4: "u:u1"}
    db.executemany(
        "INSERT INTO parked VALUES (0, 'd', ?, ?, 'held', ?, 'held', '', 0, ?, '', NULL, '', 0, 0, 0)",
        [(pos, user, pos << 24, "u0" if pos == 3 else "") for pos, user in users.items()],
    )
    db.executemany(
        "INSERT INTO log VALUES (0, ?, 0, 'website', 'track', ?, ?, ?)",
        [(pos, "a:a1" if pos == 3 else user, f"m{pos}", b"{}\n{}") for pos, user in users.items()],
    )
    return db


def ask_held(db: sqlite3.Connection) -> list[str]:
    search = Search(EventQuery(user_key="u:u1", state="held", destination="d"), ["d"], None, 20)
    search.begin(db)
    while not search.is_over:
        search.look_on(db)
    return [event["message_id"] for event in search.answer()["items"]]


def ask_newest(db: sqlite3.Connection) -> list[str]:
    search = EventsOf(["u:u1", "a:a1"], ["d"], None, 20)
    search.begin(db)
    search.finish(db)
    return [event["message_id"] for event in search.answer()["items"]]


@pytest.mark.parametrize("ask", [ask_held, ask_newest])
def test_what_waits_for_a_person_is_found_by_the_index_of_lanes(
    db: sqlite3.Connection, ask: Callable[[sqlite3.Connection], list[str]]
) -> None:
    statements: list[str] = []
    db.set_trace_callback(statements.append)
    assert ask(db) == ["m4", "m3"]
    db.set_trace_callback(None)
    steps = [row[-1] for sql in statements for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    reads = [step for step in steps if " parked " in f"{step} "]
    assert len(reads) >= 2
    for step in reads:
        assert "user_key=?" in step or "pos=?" in step, f"{step}: it reads what waits for others"
