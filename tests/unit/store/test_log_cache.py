"""The tail of the log answers what the log would answer, or leaves it to the log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.event import Call
from router.plugin import Item
from router.store import log_cache
from router.store.log_cache import LogCache


def calls(*names: str) -> list[Call]:
    return [Call("s", "track", name, "u:1", 0, name.encode()) for name in names]


def read(tail: LogCache, after: int, limit: int = 100, max_bytes: int = 1000) -> list[tuple[int, str]] | None:
    rows = tail.read(after, limit, max_bytes)
    return None if rows is None else [(row.pos, row.message_id) for row in rows]


@pytest.fixture
def three() -> LogCache:
    made = LogCache()
    made.add(calls("a", "b"), [4, 5], 2)
    made.add(calls("c"), [6], 1)
    return made


def test_it_gives_what_stands_above_a_position_across_appends(three: LogCache) -> None:
    assert read(three, 3) == [(4, "a"), (5, "b"), (6, "c")]
    assert read(three, 4) == [(5, "b"), (6, "c")]
    assert read(three, 6) == []


def test_it_says_so_when_only_the_disk_knows(three: LogCache) -> None:
    assert read(three, 2) is None
    assert read(LogCache(), 0) is None


def test_it_gives_no_more_than_asked_for_but_one_event_at_least(three: LogCache) -> None:
    assert read(three, 3, limit=2) == [(4, "a"), (5, "b")]
    assert read(three, 3, max_bytes=0) == [(4, "a")]


@pytest.mark.parametrize("bound", ["OPENED_EVENTS", "OPENED_BYTES"])
def test_only_the_newest_keep_what_was_made_of_their_bodies(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(log_cache, bound, 2)
    made = LogCache()
    made.add(calls("a", "b"), [1, 2], 2)
    rows = made.read(0, 10, 1000) or []
    for row in rows:
        row.payload_item, row.fields = Item({}), b"x"
    assert [row.is_shared for row in rows] == [True, True]
    made.add(calls("c"), [3], 1)
    assert [row.is_shared for row in made.read(0, 10, 1000) or []] == [False, False, True]
    assert {(row.opened, row.payload_item, row.fields) for row in rows} == {(None, None, None)}


def test_what_ingestion_made_of_a_call_is_there_for_whoever_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_cache, "OPENED_EVENTS", 1)
    made, (first, second) = LogCache(), calls("a", "b")
    made.add([first], [1], 1)
    made.add([second], [2], 1)
    first.fields = second.fields = b"x"  # it is written once all is stored
    rows = made.read(0, 10, 1000) or []
    assert [(row.fields, row.is_shared) for row in rows] == [(b"x", False), (b"x", True)]
    assert [row is one for row, one in zip(made.read(0, 10, 1000) or [], rows, strict=True)] == [True, True]


def test_nothing_is_made_of_events_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_cache, "OPENED_EVENTS", 1)
    made, [first] = LogCache(), calls("a")
    first.fields = b"x"
    made.add([first], [1], 1)
    made.add(calls("b"), [2], 1)
    assert first.fields is None
    assert [row.fields for row in made.read(0, 10, 1000) or []] == [None, None]


def test_a_duplicate_has_no_place_in_it() -> None:
    made = LogCache()
    made.add(calls("a", "again", "b"), [1, 0, 2], 3)
    made.add(calls("again"), [0], 1)
    assert read(made, 0) == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("bound", ["TAIL_EVENTS", "TAIL_BYTES"])
def test_it_forgets_the_oldest_append_at_its_bound(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(log_cache, bound, 2)
    made = LogCache()
    made.add(calls("a"), [1], 1)
    made.add(calls("b", "c"), [2, 3], 2)
    assert read(made, 0) is None
    assert read(made, 1) == [(2, "b"), (3, "c")]


def test_large_appends_of_a_group_do_not_push_each_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_cache, "TAIL_BYTES", 10)
    monkeypatch.setattr(log_cache, "TOGETHER_BYTES", 3)
    made = LogCache()
    made.add_group([(calls(f"{pos}"), [pos], 2) for pos in range(1, 9)])
    assert read(made, 3) == [(pos, f"{pos}") for pos in range(4, 9)]


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=8),
    after=st.integers(0, 30),
    limit=st.integers(1, 9),
    data=st.data(),
)
def test_a_group_of_appends_reads_as_each_of_them_alone(
    sizes: list[int], after: int, limit: int, data: st.DataObject
) -> None:
    alone, together, group, pos = LogCache(), LogCache(), [], 0
    for number, size in enumerate(sizes):
        is_new = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
        positions = []
        for new in is_new:
            pos += new
            positions.append(pos if new else 0)
        group.append((calls(*(f"{number}-{n}" for n in range(size))), positions, size))
    for append in group:
        alone.add(*append)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(log_cache, "TOGETHER", 5)
        together.add_group(group)
    assert read(together, after, limit) == read(alone, after, limit)
