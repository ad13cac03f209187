"""Events of requests go into the log as they are, at positions without gaps, whatever a statement has in common."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from router.event import Call
from router.store.sqlite.log_writes import ALONE, insert_events
from router.store.sqlite.migrations import migrate

FIRST = 1_000


def request(drawn: Random, calls: int, *, source: str = "web", instant: int = 5) -> list[Call]:
    types = ("track", "page", "identify")
    return [
        Call(source, drawn.choice(types), f"m{drawn.random()}", f"u:{n}", instant, b"{}\n%d" % n) for n in range(calls)
    ]


def stored(requests: list[list[Call]]) -> tuple[list[tuple[object, ...]], list[str]]:
    """The rows of the log, and the statements that made them."""
    statements: list[str] = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, Path("unused"), 0)
        db.set_trace_callback(statements.append)
        insert_events(db, FIRST, requests)
        db.set_trace_callback(None)
        return db.execute("SELECT * FROM log ORDER BY pos").fetchall(), statements


def as_rows(calls: list[Call]) -> list[tuple[object, ...]]:
    return [
        (0, FIRST + n, c.received_at, c.source, c.type, c.user_key, c.message_id, c.body) for n, c in enumerate(calls)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_every_event_has_its_row(seed: int) -> None:
    drawn = Random(seed)
    requests = [
        request(drawn, drawn.choice((0, 1, 3, ALONE - 1, ALONE, 130)), source=drawn.choice("ab"), instant=n // 2)
        for n in range(6)
    ]
    if requests[0]:
        requests[0][-1].source = "violations"  # what is forwarded stands among those of the request
    if requests[1]:
        requests[1][0].received_at = 77
    rows, _ = stored(requests)
    assert rows == as_rows([call for calls in requests for call in calls])


@pytest.mark.parametrize(
    ("sizes", "statements"), [([100], 1), ([100, 100], 2), ([1] * 30, 3), ([1, 100, 1], 3), ([ALONE] * 4, 4), ([], 0)]
)
def test_small_requests_share_statements_and_large_ones_have_their_own(sizes: list[int], statements: int) -> None:
    rows, made = stored([request(Random(n), size) for n, size in enumerate(sizes)])
    assert (len(rows), len(made)) == (sum(sizes), statements)
