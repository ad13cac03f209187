"""Records of one state key are written in the order of mapping, whatever the order of answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.deliver.commit.state_order import StateChanges
from router.deliver.commit.unit_of_work import UnitOfWork
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.testing.clock import FakeClock
from router.vocabulary import EventState, Queue
from tests.unit.deliver.parts import cursor, log_row


def make_work() -> UnitOfWork:
    return UnitOfWork("d", "test/1", cursor(), FakeClock(), lambda: None)


@pytest.fixture
def work() -> UnitOfWork:
    return make_work()


def mapped(work: UnitOfWork, pos: int, key: str = "k") -> Delivery:
    """An event mapped with a state key, which it sets to its position; its timer is due then, too."""
    lane = Lane(f"u:{pos}", is_loaded=True)
    delivery = Delivery(log_row(pos, lane.key), lane)
    work.read(delivery)
    work.read_pos = pos
    work.changes_state(delivery, StateChanges(key, {key: str(pos).encode()}, {key: (pos, lane.key)}))
    return delivery


def retry(work: UnitOfWork, delivery: Delivery) -> None:
    work.park(delivery, EventState.RETRYING, "status_503", Queue.MAIN)


def test_an_event_settled_before_one_mapped_earlier_waits_for_it(work: UnitOfWork) -> None:
    first, second = mapped(work, 1), mapped(work, 2)
    work.settle(second, "delivered", "")
    batch, _ = work.close_batch()
    assert (batch.settled, batch.state, batch.timers, batch.ahead) == ({}, {}, {}, b"")
    work.settle(first, "delivered", "")
    batch, _ = work.close_batch()
    assert (list(batch.settled), batch.state, batch.pos) == ([1, 2], {"k": b"2"}, 2)
    assert batch.timers == {"k": (2, "u:2")}


def test_a_parked_event_lets_those_mapped_after_it_be_stored(work: UnitOfWork) -> None:
    first, second = mapped(work, 1), mapped(work, 2)
    work.settle(second, "delivered", "")
    retry(work, first)
    batch, _ = work.close_batch()
    assert (list(batch.park), list(batch.settled), batch.state) == ([1], [2], {"k": b"2"})


def test_other_keys_do_not_wait(work: UnitOfWork) -> None:
    mapped(work, 1, "k")
    other = mapped(work, 2, "l")
    work.settle(other, "delivered", "")
    assert work.close_batch()[0].state == {"l": b"2"}


def test_state_is_stored_with_the_first_record_of_its_event_only(work: UnitOfWork) -> None:
    delivery = mapped(work, 1)
    retry(work, delivery)
    assert work.close_batch()[0].state == {"k": b"1"}
    work.settle(delivery, "delivered", "")
    assert work.close_batch()[0].state == {}


def test_a_key_is_open_until_its_changes_are_stored(work: UnitOfWork) -> None:
    delivery = mapped(work, 1)
    assert work.is_state_open("k")
    work.settle(delivery, "delivered", "")
    assert work.is_state_open("k")
    work.close_batch()
    assert work.is_state_open("k")
    work.stored()
    assert not work.is_state_open("k")


def test_a_timer_alone_keeps_its_key_open_too(work: UnitOfWork) -> None:
    work.timer("k", None)
    assert work.is_state_open("k")


def test_the_lane_of_an_event_whose_record_waits_sends_nothing_until_it_is_written(work: UnitOfWork) -> None:
    first, second = mapped(work, 1), mapped(work, 2)
    lane = second.lane
    assert lane is not None
    retry(work, second)
    assert lane.deferred == {2}
    assert work.has_record_waiting(second)
    assert not work.has_record_waiting(first)
    work.settle(first, "delivered", "")
    assert lane.deferred == set()
    assert not work.has_record_waiting(second)
    assert lane in work.close_batch()[1]


def test_records_of_one_event_that_waited_are_written_in_their_order(work: UnitOfWork) -> None:
    first, second = mapped(work, 1), mapped(work, 2)
    work.park(second, EventState.QUEUED, "in_flight", Queue.MAIN)
    work.settle(second, "delivered", "")
    work.settle(first, "delivered", "")
    batch, _ = work.close_batch()
    assert (batch.park, [late.pos for late in batch.late]) == ({}, [2])


@given(st.permutations(range(1, 7)), st.sets(st.integers(1, 6)), st.integers(0, 6))
def test_whatever_the_order_of_answers_state_is_never_stored_ahead_of_an_earlier_event(
    order: list[int], parked: set[int], cut: int
) -> None:
    work = make_work()
    deliveries = {pos: mapped(work, pos) for pos in range(1, 7)}
    for pos in order[:cut]:
        if pos in parked:
            retry(work, deliveries[pos])
        else:
            work.settle(deliveries[pos], "delivered", "")
    batch, _ = work.close_batch()
    stored = sorted([*batch.settled, *batch.park])
    assert stored == list(range(1, len(stored) + 1))
    assert batch.state == ({"k": str(len(stored)).encode()} if stored else {})
    assert batch.pos == len(stored)
