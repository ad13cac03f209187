"""Duplicates are told as a plain dict of acceptances would, whatever is merged, restarted or rolled back in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.event import Call
from router.store import PART
from router.store.keyed_hash import CallHasher, keyed_hash
from router.store.sqlite import dedupe
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
    st.tuples(st.just("restart"), st.none()),
)


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


@pytest.mark.long
@settings(max_examples=150)
@given(st.lists(ACTIONS, max_size=40))
def test_duplicates_are_told_as_a_plain_dict_would(actions: list[tuple[str, object]]) -> None:
    with patch.multiple(dedupe, MERGE_AT=4, MERGE_SLICE=2), fresh() as db:
        world = World(db)
        for name, value in actions:
            if name == "accept":
                assert isinstance(value, list)
                world.accept(value)
            elif name == "wait":
                assert isinstance(value, int)
                world.now += value
            elif name == "merge":
                world.dedupe.merge(db, everything=bool(value))
            else:
                world.restart()


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


def test_everything_can_be_merged_at_once() -> None:
    with fresh() as db:
        world = World(db)
        world.accept([("web", f"x{n}") for n in range(50)])
        world.dedupe.merge(db, everything=True)
        assert db.execute("SELECT count(*) FROM seen").fetchone() == (50,)
        assert db.execute("SELECT merged FROM head").fetchone() == (50,)
        world.accept([("web", f"x{n}") for n in range(50)])


def test_the_index_keeps_pace_with_the_largest_groups() -> None:
    with patch.multiple(dedupe, MERGE_AT=40, MERGE_SLICE=4), fresh() as db:
        world, most = World(db), 0
        for n in range(60):
            world.accept([("web", f"m{n}-{i}") for i in range(20)])
            world.dedupe.merge(db, 20)
            most = max(most, len(world.dedupe._recent) + len(world.dedupe._merging))
        assert most <= 2 * 40
        unmerged = db.execute("SELECT count(*) FROM log WHERE pos > (SELECT merged FROM head)").fetchone()[0]
        assert unmerged <= 3 * 40, "what a start reads again"
