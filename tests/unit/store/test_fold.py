"""What the fold keeps of traits: which values tell anything, and how much fits."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from router.store import Facts
from router.store.fold import MAX_TRAITS_BYTES, fold, is_known
from router.store.migrate import migrate


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db, Path("unused"), 0)
    yield db
    db.close()


def person(db: sqlite3.Connection) -> dict[str, object]:
    """The merged traits of u1."""
    decoded: dict[str, object] = msgspec.json.decode(db.execute("SELECT traits FROM person").fetchone()[0])
    return decoded


@pytest.mark.parametrize(
    ("value", "known"),
    [(None, False), ("", False), (" \t", False), ("x", True), (0, True), (False, True), ([], True), ({}, True)],
)
def test_null_and_blank_text_tell_nothing(value: object, known: bool) -> None:
    assert is_known(value) is known


def test_a_call_without_traits_makes_no_person(db: sqlite3.Connection) -> None:
    fold(db, 1, Facts("u:u1", user_traits={}))
    assert db.execute("SELECT count(*) FROM person").fetchone() == (0,)


def test_traits_that_do_not_fit_go_oldest_first(db: sqlite3.Connection) -> None:
    fold(db, 1, Facts("u:u1", user_traits={"old": "x" * 20_000}))
    fold(db, 2, Facts("u:u1", user_traits={"new": "y" * 20_000}))
    assert list(person(db)) == ["new"]


def test_one_trait_beyond_the_cap_leaves_nothing_behind(db: sqlite3.Connection) -> None:
    fold(db, 1, Facts("u:u1", user_traits={"big": "x" * (MAX_TRAITS_BYTES + 1)}))
    assert person(db) == {}


def test_many_small_traits_are_cut_to_the_cap(db: sqlite3.Connection) -> None:
    fold(db, 1, Facts("u:u1", user_traits={f"a{n}": n for n in range(2_500)}))
    fold(db, 2, Facts("u:u1", user_traits={f"b{n}": n for n in range(2_500)}))
    assert len(msgspec.json.encode(person(db))) <= MAX_TRAITS_BYTES
