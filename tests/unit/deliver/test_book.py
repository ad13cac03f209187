"""The book: what the next step will say, and that records of one state key keep the order of mapping."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.deliver.book import STEP_BYTES, STEP_EVENTS, Book
from router.deliver.lanes import Entry, Lane
from router.plugin import Item
from router.store import HELD, MAIN, RETRY, CursorRow, LogRow, Status
from tests.contract.rig import START_MS, FakeClock


def make_book(pos: int = 0) -> Book:
    cursor = CursorRow(pos, pos, set(), 0, 0, Status(), False)
    return Book("d", cursor, FakeClock(), lambda: None)


@pytest.fixture
def book() -> Book:
    return make_book()


def enter(book: Book, pos: int, lane: Lane | None = None, size: int = 10) -> Entry:
    """An event read from the log."""
    lane = lane or Lane(f"u:{pos}", loaded=True)
    entry = Entry(LogRow(pos, START_MS, "web", "track", lane.key, f"m{pos}", b"x" * size), lane)
    book.enter(entry)
    return entry


# ------------------------------------------------------------ cursor and window


def test_the_cursor_moves_over_what_is_done_and_no_further(book: Book) -> None:
    entries = [enter(book, pos) for pos in range(1, 6)]
    for n in (0, 1, 3):
        book.settle(entries[n], "delivered", "")
    step, _ = book.take()
    assert (step.pos, step.ahead) == (2, frozenset({4}))
    assert step.settled == {1: ("delivered", ""), 2: ("delivered", ""), 4: ("delivered", "")}


def test_a_parked_event_lets_the_cursor_pass(book: Book) -> None:
    entry = enter(book, 1)
    book.park(entry, "held", "group_unknown", HELD)
    step, lanes = book.take()
    assert (step.pos, list(step.park), lanes) == (1, [1], [entry.lane])
    assert step.lanes[entry.lane.key] is not None


def test_the_window_holds_the_bytes_of_what_is_undone(book: Book) -> None:
    first, second = enter(book, 1, size=100), enter(book, 2, size=50)
    assert book.window_bytes == 150
    book.settle(first, "delivered", "")
    book.park(second, "held", "group_unknown", HELD)
    assert (book.window_bytes, book.window) == (0, {})


@pytest.mark.parametrize(
    ("states", "ledger"),
    [
        (["delivered"], {"delivered": 1}),
        (["skipped"], {"skipped": 1}),
        (["filtered"], {"filtered": 1}),
        (["held"], {"held": 1}),
        (["held", "delivered"], {"held": 0, "delivered": 1}),
        (["retrying", "retrying", "delivered"], {"retrying": 0, "delivered": 1}),
        (["queued", "retrying"], {"retrying": 1}),
        (["held", "retrying", "dead"], {"held": 0, "retrying": 0, "dead": 1}),
    ],
    ids=" ".join,
)
def test_the_ledger_follows_an_event_through_its_states(book: Book, states: list[str], ledger: dict[str, int]) -> None:
    entry = enter(book, 1)
    for state in states:
        if state in ("held", "retrying", "queued"):
            book.park(entry, state, "why", HELD if state == "held" else MAIN)
        elif state == "dead":
            book.bury(entry, "rejected", "")
        else:
            book.settle(entry, state, "")
    beside = {"parked_bytes", "letters", "letter_bytes"}
    assert {name: n for name, n in book.take()[0].ledger.items() if name not in beside} == ledger


def test_a_dry_run_is_counted_beside_what_it_delivered(book: Book) -> None:
    book.settle(enter(book, 1), "delivered", "dry_run")
    assert book.take()[0].ledger == {"delivered": 1, "dry_run": 1}


def test_an_event_settled_after_it_had_a_stored_row_is_late(book: Book) -> None:
    entry = enter(book, 1)
    book.park(entry, "retrying", "status_503", MAIN)
    book.take()
    book.stored()
    book.settle(entry, "delivered", "")
    step, _ = book.take()
    assert (step.unpark, step.settled) == ([1], {})
    assert [(late.pos, late.state) for late in step.late] == [(1, "delivered")]
    assert step.lanes == {entry.lane.key: None}


def test_a_row_that_was_never_stored_needs_no_removal(book: Book) -> None:
    entry = enter(book, 1)
    book.park(entry, "retrying", "status_503", MAIN)
    book.settle(entry, "delivered", "")
    step, _ = book.take()
    assert (step.park, step.unpark, step.lanes) == ({}, [], {})


def test_a_row_changed_in_the_step_that_brings_it_is_written_once(book: Book) -> None:
    entry = enter(book, 1)
    book.park(entry, "queued", "in_flight", MAIN)
    book.park(entry, "retrying", "status_503", MAIN)
    step, _ = book.take()
    assert ([row.state for row in step.park.values()], step.repark) == (["retrying"], {})


def test_a_row_changed_later_is_brought_up_to_date_without_its_body(book: Book) -> None:
    entry = enter(book, 1)
    book.park(entry, "queued", "in_flight", MAIN)
    book.take()
    entry.items = [Item({"a": 1})]
    book.park(entry, "retrying", "status_503", MAIN)
    step, _ = book.take()
    assert (step.park, [row.state for row in step.repark.values()]) == ({}, ["retrying"])
    assert step.repark[1].items == b'[{"body":{"a":1},"kind":""}]'


def test_a_lane_counts_the_rows_of_its_queues(book: Book) -> None:
    lane = Lane("u:u1", loaded=True)
    lane.mode = RETRY
    first, second = enter(book, 1, lane), enter(book, 2, lane)
    book.park(first, "held", "group_unknown", HELD)
    book.park(second, "queued", "behind_lane", MAIN)
    assert (lane.held, lane.main) == (1, 1)
    book.park(second, "held", "group_unknown", HELD)
    assert (lane.held, lane.main) == (2, 0)
    book.settle(first, "delivered", "")
    assert (lane.held, lane.main) == (1, 0)


@pytest.mark.parametrize(("events", "size", "full"), [(STEP_EVENTS - 1, 1, False), (STEP_EVENTS, 1, True)])
def test_a_step_is_full_at_its_number_of_events(book: Book, events: int, size: int, full: bool) -> None:
    for pos in range(1, events + 1):
        book.settle(enter(book, pos, size=size), "delivered", "")
    assert book.full is full


def test_a_step_is_full_at_its_bytes_of_parked_bodies(book: Book) -> None:
    book.park(enter(book, 1, size=STEP_BYTES), "held", "group_unknown", HELD)
    assert book.full


def test_a_step_that_was_taken_leaves_an_empty_one(book: Book) -> None:
    book.settle(enter(book, 1), "delivered", "")
    first, _ = book.take()
    assert book.empty
    assert len(book.unstored()) == 2
    book.stored()
    assert first not in book.unstored()


# ------------------------------------------------------------ state keys


def chained(book: Book, pos: int, key: str = "k") -> Entry:
    """An event mapped with a state key, which it sets to its position."""
    entry = enter(book, pos)
    book.chain(entry, key, [lambda: book.remember(key, str(pos).encode())])
    return entry


def test_an_event_settled_before_one_mapped_earlier_waits_for_it(book: Book) -> None:
    first, second = chained(book, 1), chained(book, 2)
    book.settle(second, "delivered", "")
    step, _ = book.take()
    assert (step.settled, step.state, step.ahead) == ({}, {}, frozenset())
    book.settle(first, "delivered", "")
    step, _ = book.take()
    assert (list(step.settled), step.state, step.pos) == ([1, 2], {"k": b"2"}, 2)


def test_a_parked_event_lets_those_mapped_after_it_be_stored(book: Book) -> None:
    first, second = chained(book, 1), chained(book, 2)
    book.settle(second, "delivered", "")
    book.park(first, "retrying", "status_503", MAIN)
    step, _ = book.take()
    assert (list(step.park), list(step.settled), step.state) == ([1], [2], {"k": b"2"})


def test_other_keys_do_not_wait(book: Book) -> None:
    chained(book, 1, "k")
    other = chained(book, 2, "l")
    book.settle(other, "delivered", "")
    assert book.take()[0].state == {"l": b"2"}


def test_state_is_stored_with_the_first_record_of_its_event_only(book: Book) -> None:
    entry = chained(book, 1)
    book.park(entry, "retrying", "status_503", MAIN)
    assert book.take()[0].state == {"k": b"1"}
    book.settle(entry, "delivered", "")
    assert book.take()[0].state == {}


def test_a_key_is_open_until_its_changes_are_stored(book: Book) -> None:
    entry = chained(book, 1)
    assert book.is_open("k")
    book.settle(entry, "delivered", "")
    assert book.is_open("k")
    book.take()
    assert book.is_open("k")
    book.stored()
    assert not book.is_open("k")


@settings(deadline=None)
@given(st.permutations(range(1, 7)), st.sets(st.integers(1, 6)), st.integers(0, 6))
def test_whatever_the_order_of_answers_state_is_never_stored_ahead_of_an_earlier_event(
    order: list[int], parked: set[int], cut: int
) -> None:
    book = make_book()
    entries = {pos: chained(book, pos) for pos in range(1, 7)}
    for pos in order[:cut]:
        if pos in parked:
            book.park(entries[pos], "retrying", "status_503", MAIN)
        else:
            book.settle(entries[pos], "delivered", "")
    step, _ = book.take()
    stored = sorted([*step.settled, *step.park])
    assert stored == list(range(1, len(stored) + 1))
    assert step.state == ({"k": str(len(stored)).encode()} if stored else {})
    assert step.pos == len(stored)
