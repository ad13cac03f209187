"""What the next commit will say: the cursor, rows, lanes, the ledger, dead letters, and what a snapshot may not show yet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from router.deliver.commit.records import MAX_DETAIL
from router.deliver.commit.unit_of_work import BATCH_BYTES, BATCH_EVENTS, UnitOfWork
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.plugin import Item
from router.store import ORDER_KEY_STEP, AttemptRow, DeadRow, GroupCallRow
from router.store.outcome_blocks import pack_ahead
from router.testing.clock import START_MS, FakeClock
from router.vocabulary import EventState, Queue
from tests.unit.deliver.parts import cursor, log_row, parked_row

HELD, MAIN = Queue.HELD, Queue.MAIN


def make_work(pos: int = 0, ahead: set[int] | None = None) -> UnitOfWork:
    return UnitOfWork("d", "test/1", cursor(pos, ahead=ahead or set()), FakeClock(), lambda: None)


@pytest.fixture
def work() -> UnitOfWork:
    return make_work()


def read(work: UnitOfWork, pos: int, lane: Lane | None = None, size: int = 10) -> Delivery:
    """An event read from the log, in a lane."""
    lane = lane or Lane(f"u:{pos}", is_loaded=True)
    delivery = Delivery(log_row(pos, lane.key, size=size), lane)
    work.read(delivery)
    work.read_pos = pos
    return delivery


def lane_of(delivery: Delivery) -> Lane:
    assert delivery.lane is not None
    return delivery.lane


def letter_at(pos: int, *, again: bool = False) -> DeadRow:
    return DeadRow(
        pos, START_MS, "u:1", "rejected", "", START_MS, "website", "track", "m", "", b"{}", None, "", 1, again
    )


def seven(work: UnitOfWork) -> dict[str, int]:
    """What the next commit adds to the ledger, bytes and letters left out."""
    beside = {"parked_bytes", "letters", "letter_bytes"}
    return {name: n for name, n in work.close_batch()[0].ledger.items() if name not in beside}


# ------------------------------------------------------------ cursor and window


def test_the_cursor_moves_over_what_is_done_and_no_further(work: UnitOfWork) -> None:
    deliveries = [read(work, pos) for pos in range(1, 6)]
    for n in (0, 1, 3):
        work.settle(deliveries[n], "delivered", "")
    batch, _ = work.close_batch()
    assert (batch.pos, batch.ahead) == (2, pack_ahead(2, {4}))
    assert batch.settled == {1: ("delivered", ""), 2: ("delivered", ""), 4: ("delivered", "")}
    assert (work.pos, work.ahead) == (2, 1)


def test_a_commit_is_full_of_bytes_whatever_they_are_of(work: UnitOfWork) -> None:
    half = BATCH_BYTES // 2

    def is_filled_by(twice: Callable[[int], None]) -> bool:
        work.close_batch()
        twice(1)
        is_half_full = not work.is_full
        twice(2)
        return is_half_full and work.is_full

    def letter(n: int) -> None:
        delivery = read(work, work.read_pos + 1)
        delivery.items = [Item({"text": "x" * half})]
        work.bury(delivery, "rejected", "")

    assert is_filled_by(letter)
    assert is_filled_by(lambda n: work.attempt(AttemptRow(n, 0, 0, None, "", "dry_run", "x" * half)))
    assert is_filled_by(lambda n: work.remember(f"k{n}", b"x" * half))


def test_the_quick_way_settles_as_the_other_does(work: UnitOfWork) -> None:
    for pos in (1, 2, 3):
        read(work, pos, size=10)
    work.settle_live([1, 3], ("delivered", ""))
    assert work.unsettled_bytes == 10
    batch, _ = work.close_batch()
    assert (batch.pos, batch.ahead, batch.ledger) == (1, pack_ahead(1, {3}), {"delivered": 2})
    assert batch.settled == {1: ("delivered", ""), 3: ("delivered", "")}


def test_a_dry_run_by_the_quick_way_is_counted_beside_too(work: UnitOfWork) -> None:
    read(work, 1)
    work.settle_live([1], ("delivered", "dry_run"))
    assert work.close_batch()[0].ledger == {"delivered": 1, "dry_run": 1}


def test_a_parked_event_lets_the_cursor_pass(work: UnitOfWork) -> None:
    delivery = read(work, 1)
    work.park(delivery, EventState.HELD, "group_unknown", HELD)
    batch, lanes = work.close_batch()
    assert (batch.pos, list(batch.park), lanes) == (1, [1], [delivery.lane])
    assert batch.lanes[lane_of(delivery).key] is not None


def test_the_window_holds_the_bytes_of_what_is_undone(work: UnitOfWork) -> None:
    first, second = read(work, 1, size=100), read(work, 2, size=50)
    assert work.unsettled_bytes == 150
    work.settle(first, "delivered", "")
    work.park(second, EventState.HELD, "group_unknown", HELD)
    assert (work.unsettled_bytes, work.unsettled, work.parked_bytes) == (0, {}, 50)


def test_what_an_earlier_worker_settled_ahead_stays_ahead_until_it_is_read() -> None:
    work = make_work(pos=5, ahead={7, 9})
    work.settle(read(work, 6), "delivered", "")
    work.read_pos = 7  # 7 itself is skipped by the reader
    batch, _ = work.close_batch()
    assert (batch.pos, batch.ahead) == (7, pack_ahead(7, {9}))


# ------------------------------------------------------------ the ledger


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
def test_the_ledger_follows_an_event_through_its_states(
    work: UnitOfWork, states: list[str], ledger: dict[str, int]
) -> None:
    delivery = read(work, 1)
    for name in states:
        state = EventState(name)
        if state in (EventState.HELD, EventState.RETRYING, EventState.QUEUED):
            work.park(delivery, state, "why", HELD if state is EventState.HELD else MAIN)
        elif state is EventState.DEAD:
            work.bury(delivery, "rejected", "")
        else:
            work.settle(delivery, state, "")
    assert seven(work) == ledger


def test_a_dry_run_is_counted_beside_what_it_delivered(work: UnitOfWork) -> None:
    work.settle(read(work, 1), "delivered", "dry_run")
    assert work.close_batch()[0].ledger == {"delivered": 1, "dry_run": 1}


def test_what_a_timer_returned_is_not_among_the_seven(work: UnitOfWork) -> None:
    lane = Lane("u:u1", is_loaded=True)
    timed = Delivery.of_row(parked_row(-7, type="wake"), lane, is_parked=False)
    work.park(timed, EventState.QUEUED, "wake", MAIN)
    work.park(timed, EventState.RETRYING, "status_503", MAIN)
    work.settle(timed, "delivered", "")
    assert seven(work) == {}


def test_a_second_sending_is_counted_as_replayed_and_changes_nothing_of_the_seven(work: UnitOfWork) -> None:
    work.read_pos = 5
    lane = Lane("u:u1", is_loaded=True)
    again = Delivery.of_row(parked_row(-7, origin=3), lane, is_parked=False)
    work.park(again, EventState.QUEUED, "behind_lane", MAIN)
    work.settle(again, "delivered", "")
    batch, _ = work.close_batch()
    assert {name: n for name, n in batch.ledger.items() if n} == {"replayed": 1}
    assert batch.late == []  # what the event came to stays as it was


def test_a_second_sending_that_dies_or_is_skipped_is_counted_beside_the_seven_and_is_no_replay(
    work: UnitOfWork,
) -> None:
    lane = Lane("u:u1", is_loaded=True)
    dead, skipped = (Delivery.of_row(parked_row(pos, origin=3), lane, is_parked=False) for pos in (-7, -8))
    work.bury(dead, "rejected", "")
    work.settle(skipped, "skipped", "empty")
    batch, _ = work.close_batch()
    [letter] = batch.dead
    assert (letter.pos, letter.again) == (3, True)
    counts = {"again_dead": 1, "again_skipped": 1, "letters": 1, "letter_bytes": letter.size}
    assert batch.ledger == counts


def test_a_second_sending_of_an_event_from_before_the_destination_keeps_its_outcome() -> None:
    work = make_work(pos=10)
    again = Delivery.of_row(parked_row(-7, origin=3), Lane("u:u1", is_loaded=True), is_parked=False)
    work.settle(again, "delivered", "")
    batch, _ = work.close_batch()
    assert [(late.pos, late.state) for late in batch.late] == [(3, "delivered")]


# ------------------------------------------------------------ rows


def test_an_event_settled_after_it_had_a_stored_row_keeps_its_outcome_beside(work: UnitOfWork) -> None:
    delivery = read(work, 1)
    work.park(delivery, EventState.RETRYING, "status_503", MAIN)
    work.close_batch()
    work.stored()
    work.settle(delivery, "delivered", "")
    batch, _ = work.close_batch()
    assert (batch.unpark, batch.settled) == ([1], {})
    assert [(late.pos, late.state) for late in batch.late] == [(1, "delivered")]
    assert batch.lanes == {lane_of(delivery).key: None}


def test_a_row_that_was_never_stored_needs_no_removal(work: UnitOfWork) -> None:
    delivery = read(work, 1)
    work.park(delivery, EventState.RETRYING, "status_503", MAIN)
    work.settle(delivery, "delivered", "")
    batch, _ = work.close_batch()
    assert (batch.park, batch.unpark, batch.lanes) == ({}, [], {})


def test_a_row_changed_in_the_commit_that_brings_it_is_written_once(work: UnitOfWork) -> None:
    delivery = read(work, 1)
    work.park(delivery, EventState.QUEUED, "in_flight", MAIN)
    work.park(delivery, EventState.RETRYING, "status_503", MAIN)
    batch, _ = work.close_batch()
    assert ([row.state for row in batch.park.values()], batch.repark) == (["retrying"], {})


def test_a_row_changed_later_is_brought_up_to_date(work: UnitOfWork) -> None:
    delivery = read(work, 1)
    work.park(delivery, EventState.QUEUED, "in_flight", MAIN)
    work.close_batch()
    delivery.items = [Item({"a": 1})]
    work.park(delivery, EventState.RETRYING, "status_503", MAIN)
    batch, _ = work.close_batch()
    assert (batch.park, [row.state for row in batch.repark.values()]) == ({}, ["retrying"])
    assert batch.repark[1].items == b'[{"body":{"a":1},"kind":""}]'


def test_a_row_says_who_made_its_items_and_nothing_where_there_are_none(work: UnitOfWork) -> None:
    mapped, unmapped = read(work, 1), read(work, 2)
    mapped.items = [Item({})]
    for delivery in (mapped, unmapped):
        work.park(delivery, EventState.QUEUED, "behind_lane", MAIN)
    batch, _ = work.close_batch()
    assert [(row.made_by, row.items) for row in batch.park.values()] == [
        ("test/1", b'[{"body":{},"kind":""}]'),
        ("", None),
    ]


def test_a_lane_counts_the_rows_of_its_queues(work: UnitOfWork) -> None:
    lane = Lane("u:u1", is_loaded=True)
    first, second = read(work, 1, lane), read(work, 2, lane)
    work.park(first, EventState.HELD, "group_unknown", HELD)
    work.park(second, EventState.QUEUED, "behind_lane", MAIN)
    assert (lane.held.count, lane.main.count) == (1, 1)
    work.park(second, EventState.HELD, "group_unknown", HELD)
    assert (lane.held.count, lane.main.count) == (2, 0)
    work.settle(first, "delivered", "")
    assert (lane.held.count, lane.main.count) == (1, 0)


def test_order_keys_for_what_is_put_between_events_rise_and_stand_behind_all_that_was_read(work: UnitOfWork) -> None:
    work.read_pos = 3
    keys = [work.next_order_key(), work.next_order_key()]
    assert keys == [3 * ORDER_KEY_STEP + 1, 3 * ORDER_KEY_STEP + 2]
    work.read_pos = 4
    assert work.next_order_key() == 4 * ORDER_KEY_STEP + 1


# ------------------------------------------------------------ dead letters


def test_a_dead_letter_keeps_what_a_replay_needs_within_bounds(work: UnitOfWork) -> None:
    delivery = read(work, 1, size=20)
    delivery.items = [Item({"a": 1})]
    work.bury(delivery, "rejected", "x" * (MAX_DETAIL + 1))
    [letter] = work.close_batch()[0].dead
    assert (letter.pos, letter.at, letter.reason, len(letter.detail)) == (1, START_MS, "rejected", MAX_DETAIL)
    assert (letter.body, letter.items, letter.made_by) == (b"x" * 20, b'[{"body":{"a":1},"kind":""}]', "test/1")
    assert (work.letters, work.letter_bytes) == (1, letter.size)


def test_a_letter_that_goes_leaves_its_event_dead_and_one_that_is_requeued_does_not(work: UnitOfWork) -> None:
    for pos in (1, 2):
        work.bury(read(work, pos), "rejected", "")
    work.remove_letter(1, 10)
    work.requeue_letter(letter_at(2))
    batch, _ = work.close_batch()
    assert (batch.undead, batch.ledger["dead"], work.letters) == ({1, 2}, 1, 0)


def test_a_letter_of_a_timer_was_never_counted_as_dead(work: UnitOfWork) -> None:
    work.requeue_letter(letter_at(-7))
    assert seven(work) == {}


def test_a_letter_of_a_second_sending_is_counted_beside_the_seven(work: UnitOfWork) -> None:
    work.requeue_letter(letter_at(7, again=True))
    assert seven(work) == {"again_dead": -1}


# ------------------------------------------------------------ what one commit carries


@pytest.mark.parametrize(("events", "is_full"), [(BATCH_EVENTS - 1, False), (BATCH_EVENTS, True)])
def test_a_batch_is_full_at_its_number_of_events(work: UnitOfWork, events: int, is_full: bool) -> None:
    for pos in range(1, events + 1):
        work.settle(read(work, pos, size=1), "delivered", "")
    assert work.is_full is is_full


def test_a_batch_is_full_at_its_bytes_of_parked_bodies(work: UnitOfWork) -> None:
    work.park(read(work, 1, size=BATCH_BYTES), EventState.HELD, "group_unknown", HELD)
    assert work.is_full


def test_a_batch_that_was_closed_leaves_an_empty_one(work: UnitOfWork) -> None:
    work.settle(read(work, 1), "delivered", "")
    first, _ = work.close_batch()
    assert work.is_empty
    assert len(work.unstored()) == 2
    work.stored()
    assert first not in work.unstored()


def test_a_lane_is_in_memory_as_long_as_a_commit_that_carries_it_is_on_its_way(work: UnitOfWork) -> None:
    lane = Lane("u:u1", is_loaded=True)
    work.mark_dirty(lane)
    work.mark_dirty(lane)
    assert lane.uncommitted == 1
    work.close_batch()
    work.mark_dirty(lane)
    assert lane.uncommitted == 2


def test_rows_that_change_in_bulk_are_read_again_only_when_that_commit_is_stored(work: UnitOfWork) -> None:
    lane = Lane("u:u1", is_loaded=True)
    work.release_as(lane, '{"id":"acme"}')
    batch, _ = work.close_batch()
    assert batch.given == [("u:u1", '{"id":"acme"}')]
    assert lane.blocked_until_commit is batch
    work.stored()
    assert lane.blocked_until_commit is None


def test_rows_that_change_in_the_batch_behind_wait_for_that_one(work: UnitOfWork) -> None:
    lane = Lane("u:u1", is_loaded=True)
    work.mark_dirty(lane)
    work.close_batch()
    work.read_after_commit(lane)
    work.stored()
    assert lane.blocked_until_commit is not None
    work.close_batch()
    work.stored()
    assert lane.blocked_until_commit is None


def test_what_waits_for_a_key_is_released_once_a_commit_from_the_earliest_lane_on(work: UnitOfWork) -> None:
    assert work.release_waiting("g:acme", "u:m")
    assert not work.release_waiting("g:acme", "u:c")
    assert not work.release_waiting("g:acme", "u:z")
    batch, _ = work.close_batch()
    assert batch.opened == {"g:acme": "u:c"}
    assert work.release_waiting("g:acme")


def test_group_calls_are_written_with_the_commit(work: UnitOfWork) -> None:
    row = GroupCallRow(3, "u:u1", "acme", ("id",))
    work.group_calls({3: row, 4: None})
    assert work.close_batch()[0].supplies == {3: row, 4: None}


def test_what_is_replayed_or_parked_in_unstored_batches_is_known(work: UnitOfWork) -> None:
    work.remove_letter(1, 10)
    work.close_batch()
    lane = Lane("u:u1", is_loaded=True)
    work.park(read(work, 2, lane), EventState.QUEUED, "behind_lane", MAIN)
    again = Delivery.of_row(parked_row(-7, origin=3), lane, is_parked=False)
    work.park(again, EventState.QUEUED, "behind_lane", MAIN)
    assert work.taken_up() == {1, 2, 3}
    work.stored()
    assert work.taken_up() == {2, 3}
