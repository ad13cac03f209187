"""The latest consent of users: what is kept, whose it becomes, and how a withdrawal is found."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from router.directory import MAX_CATEGORIES, facts_with_consent
from router.event import Call
from router.store import DirectoryUpdate, preferences
from router.store.folding import fold
from router.store.sqlite import preference_rows
from router.store.sqlite.directory_writes import DirectoryRows
from router.store.sqlite.migrations import migrate


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, Path("unused"), 0)
        yield db


def says(*keys: str, **preferences: bool) -> DirectoryUpdate:
    return DirectoryUpdate(keys[0], preferences=preferences, preferences_of=keys)


def links(anonymous: str, user: str) -> DirectoryUpdate:
    return DirectoryUpdate(user, link=(anonymous, user), follows_consent=True)


def tell(db: sqlite3.Connection, *updates: DirectoryUpdate) -> None:
    for pos, update in enumerate(updates, start=1):
        fold(DirectoryRows(db), pos, update)


def denied(db: sqlite3.Connection, key: str) -> set[str]:
    return set(preference_rows.denied(db, [(key, -1)]).get((key, -1), ()))


def test_the_latest_word_of_each_category_counts(db: sqlite3.Connection) -> None:
    tell(db, says("u:1", ads=True, mail=False), says("u:1", ads=False), says("u:1", mail=True))
    assert denied(db, "u:1") == {"ads"}
    assert preference_rows.read(db, "u:1") == {"ads": (False, 2), "mail": (True, 3)}


def test_who_says_the_same_again_changes_nothing(db: sqlite3.Connection) -> None:
    tell(db, says("u:1", ads=False), says("u:1", ads=False))
    assert preference_rows.withdrawals(db, 0, 9, 10) == [(1, "u:1")]


def test_a_withdrawal_is_found_by_its_position_until_it_is_taken_back(db: sqlite3.Connection) -> None:
    tell(db, says("u:1", ads=False), says("u:2", ads=False), says("u:3", ads=True), says("u:1", ads=True))
    assert preference_rows.withdrawals(db, 0, 9, 10) == [(2, "u:2")]
    assert preference_rows.withdrawals(db, 2, 9, 10) == preference_rows.withdrawals(db, 0, 1, 10) == []


def test_a_denial_counts_for_what_was_accepted_before_it(db: sqlite3.Connection) -> None:
    tell(db, says("u:1", ads=True), says("u:1", ads=False), says("u:2", ads=False))
    assert preference_rows.denied(db, [("u:1", 1), ("u:1", 2), ("u:1", 9), ("u:3", 1)]) == {("u:1", 1): {"ads"}}


def test_what_an_anonymous_id_denied_its_user_denies_as_of_the_link(db: sqlite3.Connection) -> None:
    tell(db, says("u:1", mail=True), says("a:x", ads=False), says("u:1", mail=True), links("a:x", "u:1"))
    assert preference_rows.withdrawals(db, 2, 9, 10) == [(4, "u:1")]
    assert preference_rows.denied(db, [("u:1", 3)]) == {("u:1", 3): {"ads"}}


def test_nobody_is_read_where_nobody_denied_anything_since(db: sqlite3.Connection) -> None:
    tell(db, says("u:1", ads=False), says("u:2", ads=True))
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    preference_rows.denied(db, [(f"u:{n}", 2) for n in range(100)])
    db.set_trace_callback(None)
    assert len(asked) == 3
    (step,) = db.execute("EXPLAIN QUERY PLAN " + asked[1]).fetchall()
    assert "USING COVERING INDEX consent_denied" in step[3]


def test_a_withdrawal_is_found_by_an_index(db: sqlite3.Connection) -> None:
    plan: list[str] = []
    db.set_trace_callback(lambda sql: plan.append(sql))
    preference_rows.withdrawals(db, 1, 2, 3)
    db.set_trace_callback(None)
    (step,) = db.execute("EXPLAIN QUERY PLAN " + plan[-1]).fetchall()
    assert "USING COVERING INDEX consent_denied" in step[3]


def test_a_user_takes_over_what_their_anonymous_id_said_of_each_category_the_newest(db: sqlite3.Connection) -> None:
    said = (says("u:2", ads=True, mail=True), says("a:x", ads=False), says("u:3", ads=True))
    tell(db, *said, links("a:x", "u:1"), links("a:x", "u:2"), links("a:x", "u:3"))
    assert (denied(db, "u:1"), denied(db, "u:2"), denied(db, "u:3")) == ({"ads"}, {"ads"}, set())


def test_an_anonymous_id_speaks_for_its_user_and_denies_what_its_user_denies(db: sqlite3.Connection) -> None:
    tell(db, links("a:x", "u:1"), says("a:x", ads=False), says("u:1", mail=False))
    assert denied(db, "u:1") == {"ads", "mail"}
    assert denied(db, "a:x") == {"ads", "mail"}


def test_so_many_categories_are_kept_of_a_user_those_told_last(db: sqlite3.Connection) -> None:
    most = preferences.MAX_CATEGORIES
    tell(db, *(says("u:1", **{f"c{n}": False}) for n in range(most + 5)))
    row = preference_rows.read(db, "u:1")
    assert (len(row), "c4" in row, "c5" in row) == (most, False, True)


def test_all_of_them_are_dropped_in_slices(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preference_rows, "SLICE", 2)
    tell(db, *(says(f"u:{n}", ads=True) for n in range(3)))
    assert [preference_rows.drop_slice(db), preference_rows.drop_slice(db)] == [True, False]
    assert db.execute("SELECT count(*) FROM consent").fetchone() == (0,)


def test_a_store_of_schema_3_gets_the_table_and_its_index(db: sqlite3.Connection, tmp_path: Path) -> None:
    made = db.execute("SELECT sql FROM sqlite_master WHERE tbl_name = 'consent' ORDER BY name").fetchall()
    db.execute("DROP TABLE consent")
    db.execute("PRAGMA user_version = 3")
    store = tmp_path / "router.db"
    store.touch()  # the copy gets the owner and mode of it
    migrate(db, store, 0)
    assert db.execute("SELECT sql FROM sqlite_master WHERE tbl_name = 'consent' ORDER BY name").fetchall() == made
    assert len(made) == 2


# ---------------------------------------------------------------- what a call tells


def told(body: str, user_key: str = "u:1", type: str = "track", needed: Sequence[str] = ()) -> DirectoryUpdate | None:
    return facts_with_consent(Call("website", type, "m", user_key, 1, b"{}\n" + body.encode()), lambda: needed)


def test_a_call_tells_whose_preferences_it_carries() -> None:
    body = '{"userId": "1", "anonymousId": "x", "context": {"consent": {"categoryPreferences": {"ads": true, "b": "true", "": false}}}}'
    found = told(body)
    assert found is not None
    assert (found.preferences, found.preferences_of) == ({"ads": True, "b": False}, ("u:1", "a:x"))


def test_a_name_that_is_written_with_escapes_is_read_too() -> None:
    found = told('{"userId": "1", "context": {"consent": {"\\u0063ategoryPreferences": {"ads": false}}}}')
    assert found is not None
    assert found.preferences == {"ads": False}


@pytest.mark.parametrize(
    ("body", "more"),
    [
        ('{"userId": "1"}', {}),
        ('{"userId": "1", "properties": {"categoryPreferences": {"ads": false}}}', {}),
        ('{"userId": "1", "context": {"consent": {"categoryPreferences": []}}}', {}),
        ('{"context": {"consent": {"categoryPreferences": {"ads": false}}}}', {"user_key": "g:acme"}),
    ],
)
def test_a_call_without_preferences_or_without_a_user_tells_nothing(body: str, more: dict[str, Any]) -> None:
    assert told(body, **more) is None


def saying(preferences: dict[str, bool]) -> str:
    return json.dumps({"userId": "1", "context": {"consent": {"categoryPreferences": preferences}}})


def test_of_too_many_categories_those_count_that_destinations_need_then_those_that_are_denied() -> None:
    long = "x" * 101
    many = {f"c{n}": n % 3 > 0 for n in range(3 * MAX_CATEGORIES)}
    found = told(saying({**many, "y" * 101: False, long: False, "last": True}), needed=["last", long])
    assert found is not None
    assert found.preferences is not None
    kept = list(found.preferences.items())
    assert (len(kept), kept[:3]) == (MAX_CATEGORIES, [(long, False), ("last", True), ("c0", False)])
    assert not any(given for id, given in kept if id != "last")


def test_what_destinations_need_is_kept_whatever_else_changes(db: sqlite3.Connection) -> None:
    """The first categories of an event are those that destinations need."""
    most = preferences.MAX_CATEGORIES
    tell(db, says("u:1", ads=False), says("u:1", ads=False, **{f"c{n}": True for n in range(most - 1)}))
    tell(db, says("u:1", ads=False, **{f"d{n}": True for n in range(most - 1)}))
    assert denied(db, "u:1") == {"ads"}


def test_an_identify_call_tells_its_traits_and_its_preferences() -> None:
    body = '{"userId": "1", "traits": {"a": 1}, "context": {"consent": {"categoryPreferences": {"ads": true}}}}'
    found = told(body, type="identify")
    assert found is not None
    assert (found.user_traits, found.preferences) == ({"a": 1}, {"ads": True})
