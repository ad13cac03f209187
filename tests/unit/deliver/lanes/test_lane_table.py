"""The lanes in memory: one object a user, found by what they wait for, counted while they drain, forgotten when idle."""

from __future__ import annotations

import pytest

from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane, Wait
from router.deliver.lanes.lane_table import LaneTable
from router.testing.clock import START_MS
from router.vocabulary import LaneMode, LaneState, Line, Queue
from tests.unit.deliver.parts import lane_row, log_row


@pytest.fixture
def table() -> LaneTable:
    return LaneTable()


def held(table: LaneTable, key: str, *waits_for: str) -> Lane:
    """A lane that holds one event."""
    lane = table.take(key, is_new=True)
    table.hold(lane, 1, Wait(waits_for, "group_unknown"))
    lane.count_row(Queue.HELD, +1, START_MS)
    return lane


# ------------------------------------------------------------ one object a user


def test_a_user_has_one_lane(table: LaneTable) -> None:
    assert table.take("u:1") is table.take("u:1") is table.get("u:1")
    assert (len(table), "u:1" in table, "u:2" in table) == (1, True, False)


@pytest.mark.parametrize(
    ("may_have_rows", "is_new", "is_loaded"),
    [(True, False, False), (True, True, True), (False, False, True)],
    ids=["its row may be there", "it is certain that it has none", "nobody has one"],
)
def test_a_row_that_may_be_there_is_to_be_read(
    table: LaneTable, may_have_rows: bool, is_new: bool, is_loaded: bool
) -> None:
    table.may_have_rows = may_have_rows
    assert table.take("u:1", is_new=is_new).is_loaded is is_loaded


def test_a_free_users_event_in_flight_becomes_the_current_one_of_a_new_lane(table: LaneTable) -> None:
    flying = table.in_flight["u:1"] = Delivery(log_row(1, "u:1"))
    assert not table.is_free("u:1")
    lane = table.take("u:1")
    assert (lane.current, flying.lane, lane.is_loaded) == (flying, lane, True)
    assert table.in_flight == {}
    assert not table.is_free("u:1")
    assert table.is_free("u:2")


def test_an_idle_lane_is_forgotten_and_a_busy_one_is_not(table: LaneTable) -> None:
    idle, busy = table.take("u:1"), table.take("u:2")
    busy.add_waiting(Delivery(log_row(1, "u:2"), busy))
    table.let_go(idle)
    table.let_go(busy)
    assert [lane.key for lane in table] == ["u:2"]


def test_a_pinned_lane_stays_the_only_one_of_its_user_until_the_last_pin_is_gone(table: LaneTable) -> None:
    lane = table.take("u:1")
    with table.pinned([lane]):
        with table.pinned([lane]):
            table.let_go(lane)
        assert table.get("u:1") is lane
    assert table.get("u:1") is None


def test_a_lane_is_unpinned_when_what_was_awaited_fails(table: LaneTable) -> None:
    lane = table.take("u:1")
    with pytest.raises(ZeroDivisionError), table.pinned([lane]):
        raise ZeroDivisionError
    assert table.get("u:1") is None


def test_an_object_that_was_replaced_takes_nothing_with_it(table: LaneTable) -> None:
    old = table.take("u:1")
    table.let_go(old)
    new = table.take("u:1")
    table.let_go(old)
    assert table.get("u:1") is new


def test_lanes_that_are_forgotten_with_a_row_while_a_snapshot_is_read_are_noted(table: LaneTable) -> None:
    noted = table.watch_let_go()
    stored, bare = table.take("u:1"), table.take("u:2")
    stored.restore(lane_row(LaneMode.RETRY, due_at=START_MS, main=1))
    for lane in (stored, bare):
        table.let_go(lane)
    assert noted == {"u:1"}
    assert table.watch_let_go() == set()


# ------------------------------------------------------------ who waits for what


def test_a_lane_is_found_by_each_key_that_will_do(table: LaneTable) -> None:
    both, one = held(table, "u:2", "u:2", "a:x"), held(table, "u:1", "a:x")
    assert table.waiting_for("a:x") == [one, both]
    assert table.waiting_for("u:2") == [both]
    assert table.waiting_for("u:9") == []


def test_a_lane_that_waits_for_something_else_is_no_longer_found_by_what_it_waited_for(table: LaneTable) -> None:
    lane = held(table, "u:1", "u:1", "a:x")
    table.hold(lane, 1, Wait(("g:acme",)))
    assert [table.waiting_for(key) for key in ("u:1", "a:x", "g:acme")] == [[], [], [lane]]


@pytest.mark.parametrize("how", ["ask_again", "free", "let_go"])
def test_a_lane_that_waits_no_longer_is_not_found(table: LaneTable, how: str) -> None:
    lane = held(table, "u:1", "u:1")
    if how == "ask_again":
        table.ask_again(lane)
        assert lane.wait.reason == "group_unknown", "why it waited is still known"
    elif how == "free":
        table.free(lane)
    else:
        table.let_go(lane)
    assert table.waiting_for("u:1") == []


def test_a_retry_leaves_the_index_alone_as_long_as_something_is_held(table: LaneTable) -> None:
    lane = held(table, "u:1", "u:1")
    table.block(lane, START_MS, 1, "status_503")
    assert table.waiting_for("u:1") == [lane]
    lane.count_row(Queue.HELD, -1)
    table.block(lane, START_MS, 2, "status_503")
    assert table.waiting_for("u:1") == []


def test_a_lane_that_was_restored_is_found(table: LaneTable) -> None:
    lane = table.take("u:u1")
    lane.restore(lane_row(LaneMode.WAITING, need="u:u1", also="a:x", held=1))
    table.index(lane)
    assert table.waiting_for("a:x") == [lane]


def test_after_a_move_the_source_waits_for_nothing_and_is_free(table: LaneTable) -> None:
    source, target = held(table, "a:x", "a:x"), table.take("u:1", is_new=True)
    table.move_held(source, target)
    assert (source.state, source.wait.keys, table.waiting_for("a:x")) == (LaneState.FREE, (), [])
    assert (target.held.count, target.wait.reason) == (1, "group_unknown")


def test_a_source_that_drains_goes_on_draining(table: LaneTable) -> None:
    source, target = held(table, "a:x", "a:x"), table.take("u:1", is_new=True)
    table.drain(source, Line.RELEASE, START_MS)
    table.move_held(source, target)
    assert source.state is LaneState.DRAINING
    assert table.draining[Line.RELEASE] == 1


# ------------------------------------------------------------ how many drain


def test_lanes_are_counted_in_the_line_in_which_they_drain(table: LaneTable) -> None:
    lane = held(table, "u:1", "u:1")
    table.drain(lane, Line.RELEASE, START_MS)
    table.drain(lane, Line.RETRY, START_MS)  # it drains already: it stays in its line
    assert (table.draining[Line.RELEASE], table.draining[Line.RETRY]) == (1, 0)
    table.end_drain(lane)
    assert (table.draining[Line.RELEASE], table.drained[Line.RELEASE]) == (0, 1)


@pytest.mark.parametrize("how", ["block", "free"])
def test_a_lane_that_stops_draining_gives_its_place_back(table: LaneTable, how: str) -> None:
    lane = held(table, "u:1", "u:1")
    table.drain(lane, Line.RELEASE, START_MS)
    if how == "block":
        table.block(lane, START_MS, 1, "status_503")
    else:
        table.free(lane)
    assert table.draining.total() == 0
    assert table.drained[Line.RELEASE] == 1, "whoever waits for places sees it"
