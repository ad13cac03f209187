"""One lane: its queues, what parks behind it, its row, and when its object may be forgotten."""

from __future__ import annotations

import pytest

from router.deliver.lanes import lane as lanes
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane, Wait
from router.store import ORDER_KEY_STEP
from router.testing.clock import START_MS
from router.vocabulary import LaneMode, Line, Queue
from tests.unit.deliver.parts import lane_row, log_row, parked_row

HELD, MAIN = Queue.HELD, Queue.MAIN


@pytest.fixture
def lane() -> Lane:
    return Lane("u:u1", is_loaded=True)


def buffered(lane: Lane, pos: int, queue: Queue = MAIN) -> Delivery:
    """A parked event that was read ahead."""
    delivery = Delivery.of_row(parked_row(pos, queue=queue), lane)
    lane.queue(queue).buffer.append(delivery)
    lane.count_row(queue, +1, START_MS)
    return delivery


# ------------------------------------------------------------ events without a row


def test_events_take_their_turn_in_the_order_in_which_they_were_read(lane: Lane) -> None:
    first, second = Delivery(log_row(1), lane), Delivery(log_row(2), lane)
    lane.add_waiting(first)
    lane.add_waiting(second)
    assert [lane.take_waiting(), lane.take_waiting()] == [first, second]
    assert lane.waiting_bytes == 0


def test_an_event_that_was_put_back_stays_the_first(lane: Lane) -> None:
    first, second = Delivery(log_row(1, size=30), lane), Delivery(log_row(2, size=5), lane)
    lane.add_waiting(first)
    lane.add_waiting(second)
    lane.put_back(lane.take_waiting())
    assert lane.take_waiting() is first
    assert lane.waiting_bytes == 5


def test_a_parked_event_that_was_put_back_is_read_again(lane: Lane) -> None:
    buffered(lane, 3)
    buffered(lane, 5)
    taken = lane.main.take()
    assert lane.main.read_upto == 3 * ORDER_KEY_STEP
    lane.put_back(taken)
    assert lane.main.read_upto == 3 * ORDER_KEY_STEP - 1
    assert not lane.main.buffer


def test_only_the_event_in_flight_ends_the_flight(lane: Lane) -> None:
    flying, other = Delivery(log_row(1), lane), Delivery(log_row(2), lane)
    lane.start(flying)
    lane.finish(other)
    assert lane.current is flying
    lane.finish(flying)
    assert lane.current is None


@pytest.mark.parametrize(
    ("events", "size", "is_over"),
    [
        (lanes.MAX_WAITING, 1, False),
        (lanes.MAX_WAITING + 1, 1, True),
        (1, lanes.MAX_WAITING_BYTES, False),
        (1, lanes.MAX_WAITING_BYTES + 1, True),
    ],
    ids=["as many as may", "one too many", "as many bytes as may", "a byte too many"],
)
def test_beyond_what_one_user_may_have_in_memory_a_lane_overflows_and_does_not_park_by_that_alone(
    lane: Lane, events: int, size: int, is_over: bool
) -> None:
    for pos in range(1, events + 1):
        lane.add_waiting(Delivery(log_row(pos, size=size), lane))
    assert lane.is_overflowing is is_over
    assert not lane.must_park, "what goes first is not overtaken: the first event may be sent as it is"


# ------------------------------------------------------------ the two queues


def test_new_events_park_behind_parked_ones_but_not_behind_held_ones(lane: Lane) -> None:
    assert not lane.must_park
    lane.hold(0, Wait(("u:u1",)))
    lane.count_row(HELD, +1, START_MS)
    assert not lane.must_park
    lane.count_row(MAIN, +1)
    assert lane.must_park


@pytest.mark.parametrize("change", ["block", "drain"])
def test_new_events_park_while_an_attempt_is_awaited_and_while_parked_ones_go(lane: Lane, change: str) -> None:
    if change == "block":
        lane.block(START_MS, 1)
    else:
        lane.drain(Line.LIVE, START_MS)
    assert lane.must_park


def test_parked_events_go_in_the_order_of_acceptance_from_both_queues(lane: Lane) -> None:
    for pos, queue in ((4, MAIN), (2, HELD), (6, MAIN), (5, HELD)):
        buffered(lane, pos, queue)
    order = []
    while (first := lane.first_parked()) is not None:
        order.append(first.pos)
        lane.queue(first.fields.queue).take()
        lane.count_row(first.fields.queue, -1)
    assert order == [2, 4, 5, 6]


def test_a_queue_that_must_be_read_first_keeps_the_other_waiting(lane: Lane) -> None:
    buffered(lane, 4, MAIN)
    lane.count_row(HELD, +1, START_MS)  # a row that was not read yet: it may be the older one
    assert lane.first_parked() is None


def test_held_events_with_a_closed_gate_let_the_others_pass(lane: Lane) -> None:
    buffered(lane, 2, HELD)
    later = buffered(lane, 4, MAIN)
    lane.hold(2 * ORDER_KEY_STEP, Wait(("u:u1",)))
    assert lane.open_queues() == [MAIN]
    assert lane.first_parked() is later
    lane.ask_again()
    assert lane.open_queues() == [HELD, MAIN]


def test_with_nothing_parked_no_queue_is_open(lane: Lane) -> None:
    assert lane.open_queues() == []
    assert lane.first_parked() is None


def test_a_row_that_is_put_before_what_was_read_ahead_is_read_next(lane: Lane) -> None:
    buffered(lane, 5)
    lane.main.take()
    buffered(lane, 7)
    lane.rewind(MAIN, 6 * ORDER_KEY_STEP)
    assert lane.main.read_upto == 5 * ORDER_KEY_STEP, "what was taken stays taken"
    assert not lane.main.buffer, "what was read ahead is read again, with the new row"


def test_it_says_since_when_its_oldest_event_is_held(lane: Lane) -> None:
    lane.count_row(HELD, +1, START_MS)
    lane.count_row(HELD, +1, START_MS + 5)
    assert lane.held_since == START_MS
    lane.forget_oldest_held(START_MS + 5)
    assert lane.held_since == START_MS + 5
    lane.count_row(MAIN, +1, START_MS + 9)
    assert lane.held_since == START_MS + 5


# ------------------------------------------------------------ its row


def test_without_parked_events_a_lane_has_no_row(lane: Lane) -> None:
    lane.block(START_MS, 1)
    assert lane.image() is None


def test_a_row_says_what_the_first_held_event_waits_for(lane: Lane) -> None:
    lane.hold(7, Wait(("u:u1", "a:x"), "group_unknown", refused_pos=3))
    lane.count_row(HELD, +1, START_MS)
    assert lane.image() == lane_row(
        LaneMode.WAITING,
        need="u:u1",
        also="a:x",
        reason="group_unknown",
        held=1,
        held_since=START_MS,
        first_held=7,
        refused_pos=3,
    )


def test_a_row_says_when_the_next_attempt_is_due(lane: Lane) -> None:
    lane.block(START_MS + 9, 3, "status_503")
    lane.count_row(MAIN, +1)
    assert lane.image() == lane_row(LaneMode.RETRY, reason="status_503", due_at=START_MS + 9, attempts=3, main=1)


def test_a_retry_keeps_what_the_held_events_wait_for(lane: Lane) -> None:
    wait = Wait(("u:u1",), "group_unknown")
    lane.hold(1, wait)
    lane.count_row(HELD, +1, START_MS)
    lane.block(START_MS, 1, "status_503")
    assert lane.wait == wait


@pytest.mark.parametrize("mode", [LaneMode.WAITING, LaneMode.RETRY])
@pytest.mark.parametrize(("held", "main"), [(1, 0), (0, 1), (2, 3)])
@pytest.mark.parametrize("attempts", [0, 2])
def test_a_lane_that_was_restored_from_a_row_has_that_row(mode: str, held: int, main: int, attempts: int) -> None:
    row = lane_row(
        mode, due_at=START_MS, attempts=attempts, held=held, main=main, held_since=5, first_held=6, need="u:u1"
    )
    restored = Lane("u:u1", is_loaded=True)
    assert restored.restore(row)
    image = restored.image()
    assert image is not None
    # with events behind what was released it is blocked until it drains again
    assert image.mode == (LaneMode.RETRY if main else mode)
    image.mode = mode
    assert image == row


@pytest.mark.parametrize(
    ("mode", "need", "due_at", "main", "is_possible"),
    [
        (LaneMode.WAITING, "u:u1", None, 0, True),
        (LaneMode.WAITING, "", None, 0, False),
        (LaneMode.WAITING, "", START_MS, 0, True),
        (LaneMode.WAITING, "u:u1", None, 1, False),
        (LaneMode.RETRY, "u:u1", None, 0, False),
        (LaneMode.RETRY, "", None, 1, False),
        (LaneMode.RETRY, "", START_MS, 1, True),
    ],
)
def test_a_row_that_waits_for_nothing_and_is_never_due_is_due_at_once(
    mode: str, need: str, due_at: int | None, main: int, is_possible: bool
) -> None:
    restored = Lane("u:u1", is_loaded=True)
    assert restored.restore(lane_row(mode, need=need, due_at=due_at, held=1, main=main)) is is_possible
    assert restored.due_at == (due_at if is_possible else 0)


# ------------------------------------------------------------ what a transition leaves behind


def test_a_lane_that_is_free_again_remembers_nothing(lane: Lane) -> None:
    lane.hold(1, Wait(("u:u1",)))
    lane.count_row(HELD, +1, START_MS)
    lane.block(START_MS, 4, "status_503")
    lane.drain(Line.RETRY, START_MS)
    lane.count_row(HELD, -1)
    lane.end_drain()
    fresh = Lane("u:u1", is_loaded=True)
    for name in ("state", "line", "wait", "due_at", "attempts", "held_since", "is_at_bound"):
        assert getattr(lane, name) == getattr(fresh, name), name


def test_a_draining_lane_keeps_its_line(lane: Lane) -> None:
    lane.drain(Line.RETRY, START_MS)
    lane.drain(Line.RELEASE, START_MS)
    assert lane.line is Line.RETRY


def test_a_draining_lane_is_due_so_that_a_crash_takes_it_up_again(lane: Lane) -> None:
    lane.hold(1, Wait(("u:u1",)))
    lane.count_row(HELD, +1, START_MS)
    lane.ask_again()
    lane.drain(Line.RELEASE, START_MS + 5)
    image = lane.image()
    assert image is not None
    assert (image.mode, image.due_at) == (LaneMode.WAITING, START_MS + 5)


def test_held_events_that_join_another_lane_wait_as_before_and_their_own_lane_takes_no_turn(lane: Lane) -> None:
    anonymous = Lane("a:x", is_loaded=True)
    anonymous.hold(3, Wait(("a:x",), "group_unknown"))
    for _ in range(2):
        anonymous.count_row(HELD, +1, START_MS)
    lane.adopt_held(anonymous)
    assert (lane.held.count, lane.held_since, lane.wait.reason) == (2, START_MS, "group_unknown")
    assert (anonymous.held.count, anonymous.held_since, anonymous.is_migrating) == (0, 0, True)


def test_the_longest_hold_counts_where_both_lanes_held_something(lane: Lane) -> None:
    anonymous = Lane("a:x", is_loaded=True)
    lane.count_row(HELD, +1, START_MS + 50)
    anonymous.count_row(HELD, +1, START_MS)
    lane.adopt_held(anonymous)
    assert (lane.held.count, lane.held_since) == (2, START_MS)


# ------------------------------------------------------------ how long its object lives


def test_a_lane_with_nothing_to_do_may_be_forgotten(lane: Lane) -> None:
    assert lane.is_idle
    lane.drain(Line.LIVE, START_MS)
    assert not lane.is_idle
    lane.end_drain()
    assert lane.is_idle
    lane.start(Delivery(log_row(1), lane))
    assert not lane.is_idle


def test_a_blocked_lane_stays_until_its_row_is_about_to_be_stored(lane: Lane) -> None:
    lane.block(START_MS, 1)
    assert not lane.is_idle
    assert lane.restore(lane_row(LaneMode.RETRY, due_at=START_MS, main=1))
    assert lane.is_idle
