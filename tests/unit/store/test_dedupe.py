"""Duplicates are told as a plain dict of acceptances would, whatever went into runs and on into the table, was restarted or rolled back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.event import Call
from router.store import PART
from router.store.keyed_hash import CallHasher, keyed_hash
from router.store.sqlite import dedupe, id_generations, id_runs
from router.store.sqlite.dedupe import Dedupe
from router.store.sqlite.migrations import migrate

WINDOW_MS = 1000
START_MS = 1_767_000_000_000
SOURCES = st.sampled_from(["web", "app"])
IDS = st.sampled_from([f"m{n}" for n in range(12)])
ACTIONS = st.one_of(
    st.tuples(st.just("accept"), st.lists(st.tuples(SOURCES, IDS), min_size=1, max_size=8)),
    st.tuples(st.just("wait"), st.integers(min_value=1, max_value=WINDOW_MS)),
    st.tuples(st.just("merge"), st.booleans()),
    st.tuples(st.just("trim"), st.integers(min_value=1, max_value=8)),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("take back"), st.lists(st.tuples(SOURCES, IDS), min_size=1, max_size=8)),
)


@contextmanager
def small(merge_at: int, few: int = 1) -> Iterator[None]:
    """Runs of a few ids, two of them a generation, and two generations in memory."""
    with (
        patch.multiple(dedupe, MERGE_AT=merge_at, FEW=few),
        patch.multiple(id_runs, RUN_BITS=1, RUNS=2),
        patch.multiple(id_generations, KEPT=2, STORED_EVERY=2),
    ):
        yield


@contextmanager
def fresh() -> Iterator[sqlite3.Connection]:
    """An empty store in memory."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(db, Path("unused"), START_MS)
        yield db
    finally:
        db.close()


class World:
    """A log, its dedupe and the model: when each (source, id) was accepted last."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db, self.now, self.pos = db, START_MS, 0
        self.model: dict[tuple[str, str], int] = {}
        self.restart()

    def restart(self) -> None:
        self.dedupe = Dedupe(b"k" * 16, WINDOW_MS)
        self.dedupe.load(self.db)

    def accept(self, calls: list[tuple[str, str]]) -> None:
        """What the writer does with a group, each answer held against the model."""
        self.db.execute("UPDATE head SET clock = ?", (self.now,))
        taken = self.dedupe.taken(self.db, [self.dedupe.hash_of(*call) for call in calls], self.now)
        for source, message_id in calls:
            hashed = self.dedupe.hash_of(source, message_id)
            accepted = self.model.get((source, message_id))
            expected = accepted is not None and accepted > self.now - WINDOW_MS
            assert (hashed in taken) == expected, (source, message_id, self.now - START_MS)
            if hashed in taken:
                continue
            taken.add(hashed)
            self.pos += 1
            self.model[source, message_id] = self.now
            row = (PART, self.pos, self.now, source, "track", "u:1", message_id, b"")
            self.db.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            self.dedupe.add([hashed], [self.pos])

    def merge(self, appended: int = 8) -> None:
        self.dedupe.merge(self.db, self.now, appended)

    def take_back(self, calls: list[tuple[str, str]]) -> None:
        """A group is accepted, and a run perhaps written, in a transaction that fails."""
        model, pos = dict(self.model), self.pos
        self.db.execute("BEGIN")
        self.accept(calls)
        self.merge()
        self.dedupe.merge_all(self.db, self.now)
        self.db.execute("ROLLBACK")
        self.model, self.pos = model, pos
        self.dedupe.load(self.db)

    def trim(self, events: int) -> None:
        """What the retention does with events that are older than the window."""
        sql = "SELECT pos FROM log WHERE received_at <= ? AND pos <= (SELECT merged FROM head) ORDER BY pos LIMIT ?"
        for (pos,) in self.db.execute(sql, (self.now - WINDOW_MS, events)).fetchall():
            self.db.execute("DELETE FROM log WHERE pos = ?", (pos,))
            id_runs.drop_trimmed(self.db, pos)


@pytest.mark.long
@settings(max_examples=150)
@given(st.lists(ACTIONS, max_size=40), st.sampled_from([1, 3, 100]))
def test_duplicates_are_told_as_a_plain_dict_would(actions: list[tuple[str, Any]], few: int) -> None:
    with small(4, few), fresh() as db:
        world = World(db)
        for name, value in actions:
            match name:
                case "accept":
                    world.accept(value)
                case "wait":
                    world.now += value
                case "merge" if value:
                    world.dedupe.merge_all(db, world.now)
                case "merge":
                    world.merge()
                case "trim":
                    world.trim(value)
                case "restart":
                    world.restart()
                case "take back":
                    world.take_back(value)


def test_a_hash_depends_on_key_source_and_id() -> None:
    hashes = {keyed_hash(key, source, m) for key in (b"a", b"b") for source in ("s", "t") for m in ("m", "n")}
    assert len(hashes) == 8


def test_many_calls_are_hashed_as_each_is_alone() -> None:
    named = [("s", "m"), ("t", "m"), ("", "m"), ("s", ""), ("s", "ünïcode"), ("s", "x" * 10_000)]
    calls = [Call(source, "track", message_id, "u:1", 0, b"") for source, message_id in named]
    hashes_of = CallHasher(b"k")
    for _ in range(2):
        assert hashes_of(calls) == [keyed_hash(b"k", source, message_id) for source, message_id in named]
    assert hashes_of([]) == []


@pytest.mark.parametrize("message_id", ["", "m", "ünïcode", "x" * 10_000])
def test_a_hash_fits_a_signed_column(message_id: str) -> None:
    assert -(2**63) <= keyed_hash(b"k", "s", message_id) < 2**63


@pytest.mark.parametrize(("few", "runs", "table"), [(50, 1, 0), (51, 0, 50)])
def test_nothing_is_left_in_memory_and_few_ids_make_no_run(few: int, runs: int, table: int) -> None:
    with patch.object(dedupe, "FEW", few), fresh() as db:
        world = World(db)
        world.accept([("web", f"x{n}") for n in range(50)])
        world.dedupe.merge_all(db, world.now)
        counts = "SELECT (SELECT count(*) FROM seen_run), (SELECT count(*) FROM seen), merged FROM head"
        assert db.execute(counts).fetchone() == (runs, table, 50)
        world.accept([("web", f"x{n}") for n in range(50)])
        world.restart()
        world.accept([("web", f"x{n}") for n in range(50)])


def test_memory_holds_no_more_than_a_run_and_a_start_reads_no_more_from_the_log() -> None:
    with small(40), fresh() as db:
        world = World(db)
        for n in range(60):
            world.accept([("web", f"m{n}-{i}") for i in range(20)])
            world.merge(20)
            assert db.execute("SELECT count(*) FROM log WHERE pos > (SELECT merged FROM head)").fetchone()[0] <= 40


def test_what_is_older_than_the_generations_in_memory_moves_into_the_table_and_its_runs_go() -> None:
    with small(40), fresh() as db:
        world = World(db)
        for n in range(60):
            world.accept([("web", f"m{n}-{i}") for i in range(20)])
            world.merge(20)
        ids, runs = db.execute("SELECT (SELECT count(*) FROM seen), (SELECT count(*) FROM seen_run)").fetchone()
        assert ids + 40 * runs == 60 * 20
        assert runs <= 3 * 2, "two ids move for one that comes, so no more than one generation waits for it"
        kept = "SELECT count(*), (SELECT count(DISTINCT run >> 1) FROM seen_run) FROM seen_filter"
        filters, generations = db.execute(kept).fetchone()
        assert filters <= generations
        world.restart()
        world.accept([("web", f"m{n}-{i}") for n in range(60) for i in range(20)])


def test_what_is_older_than_the_window_does_not_move_and_is_not_asked() -> None:
    with small(40), fresh() as db:
        world = World(db)
        for n in range(60):
            world.now += WINDOW_MS
            world.accept([("web", f"m{n}-{i}") for i in range(20)])
            world.merge(20)
        assert db.execute("SELECT count(*) FROM seen").fetchone() == (0,)
        world.now += WINDOW_MS
        asked: list[str] = []
        db.set_trace_callback(asked.append)
        world.accept([("web", "m0-0"), ("web", "m59-0")])
        assert not [sql for sql in asked if "seen" in sql]


def test_a_repeated_request_reads_one_piece_for_each_id() -> None:
    with small(40), fresh() as db:
        world = World(db)
        request = [("web", f"m{i}") for i in range(40)]
        world.accept(request)
        world.merge()
        asked: list[str] = []
        db.set_trace_callback(asked.append)
        world.accept(request)
        pieces = [sql for sql in asked if "seen_piece" in sql]
        assert (len(pieces), len([sql for sql in pieces if "id =" in sql])) == (40, 39)
