"""What is held for an anonymousId joins the user to whom it belongs, at the turn of the call that says so."""

from __future__ import annotations

from typing import Any

import pytest

from router.decide.gate import Closed
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.identity_merge import IdentityMerge, linked_key
from router.deliver.lanes.lane import Lane
from router.store import DirectorySnapshot
from router.vocabulary import LaneState, Line
from tests.unit.deliver.parts import Parts, event, log_row

LINKED = DirectorySnapshot(links={"a:x": [(5, "u:u1")]})
"""x belongs to u1 from position 5 on."""
SHARED = DirectorySnapshot(links={"a:x": [(5, "u:u1"), (9, "u:u2")]})
"""x belongs to u1 from 5 on, and to u2 from 9 on."""
CLOSED = Closed("group_unknown", ("a:x",))


class Merge(Parts):
    """The parts, with a merge and what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.merge = IdentityMerge(self.context, self.state, self.outcomes, self.releases)

    def hold(self, pos: int, user_key: str = "a:x") -> Lane:
        """Hold an event of a user."""
        delivery = self.track(pos, user_key)
        assert delivery.lane is not None
        self.outcomes.hold(delivery, CLOSED)
        return delivery.lane

    def track(self, pos: int, user_key: str) -> Delivery:
        delivery = self.read(pos, user_key)
        kind, _, name = user_key.partition(":")
        delivery.event = event(**{"user_id" if kind == "u" else "anonymous_id": name})
        return delivery

    def identify(self, pos: int, user: str = "u1", anonymous: str = "x") -> Delivery:
        """A linking call at its turn: its lane has taken it."""
        delivery = self.read(pos, f"u:{user}", "identify")
        delivery.event = event("identify", user_id=user, anonymous_id=anonymous)
        return delivery


@pytest.fixture
def parts() -> Merge:
    return Merge()


@pytest.mark.parametrize(
    ("type", "ids", "key"),
    [
        ("identify", {"user_id": "u1", "anonymous_id": "x"}, "a:x"),
        ("identify", {"anonymous_id": "x"}, None),
        ("identify", {"user_id": "u1"}, None),
        ("alias", {"user_id": "u1", "previous_id": "x"}, "a:x"),
        ("alias", {"previous_id": "x"}, None),
        ("group", {"user_id": "u1", "anonymous_id": "x"}, None),
        ("track", {"user_id": "u1", "anonymous_id": "x"}, None),
    ],
)
def test_identify_and_alias_link_an_anonymous_id_to_a_user(type: str, ids: dict[str, str], key: str | None) -> None:
    assert linked_key(event(type, **ids)) == key


def test_at_the_turn_of_the_linking_call_what_is_held_joins_the_user(parts: Merge) -> None:
    anonymous = parts.hold(3)
    call = parts.identify(5)
    assert not parts.merge.must_wait(call, LINKED)
    lane = parts.lane("u:u1")
    assert (anonymous.held.count, lane.held.count, lane.held_since) == (0, 1, parts.clock.ms)
    assert (anonymous.state, anonymous.is_migrating) == (LaneState.FREE, True)
    assert lane.state is LaneState.DRAINING, "its gate is asked again"
    batch, _ = parts.work.close_batch()
    assert batch.moves == [("a:x", "u:u1", "u1")]
    assert anonymous.blocked_until_commit is lane.blocked_until_commit is batch


def test_the_lane_that_gave_away_what_it_held_has_a_turn_after_the_commit_only(parts: Merge) -> None:
    anonymous = parts.hold(3)
    parts.merge.must_wait(parts.identify(5), LINKED)
    parts.work.close_batch()
    assert anonymous.is_migrating
    parts.work.stored()
    assert not anonymous.is_migrating


def test_a_call_that_links_another_user_moves_nothing_of_the_first_ones(parts: Merge) -> None:
    anonymous = parts.hold(6)
    assert not parts.merge.must_wait(parts.identify(9, user="u2"), SHARED)
    assert anonymous.held.count == 1


def test_a_call_that_links_nothing_or_finds_nothing_waits_for_nothing(parts: Merge) -> None:
    parts.hold(3)
    track = parts.track(5, "u:u1")
    assert not parts.merge.must_wait(track, LINKED)
    assert not parts.merge.must_wait(parts.identify(6, anonymous="y"), LINKED)


def test_a_call_waits_for_what_is_in_flight_of_the_anonymous_id(parts: Merge) -> None:
    anonymous = parts.hold(3)
    flying = parts.track(4, "a:x")
    anonymous.start(flying)
    call = parts.identify(5)
    lane = call.lane
    assert lane is not None
    assert parts.merge.must_wait(call, LINKED)
    assert (list(lane.waiting), anonymous.linking) == ([call], [lane])
    anonymous.finish(flying)
    assert not parts.merge.must_wait(lane.take_waiting(), LINKED)
    assert (anonymous.linking, anonymous.held.count, lane.held.count) == ([], 0, 1)


def test_a_call_waits_for_events_of_the_anonymous_id_from_before_it_that_had_no_turn_yet(parts: Merge) -> None:
    early = parts.track(3, "a:x")
    assert early.lane is not None
    early.lane.add_waiting(early)
    assert parts.merge.must_wait(parts.identify(5), LINKED)


def test_a_call_does_not_wait_for_events_from_after_it(parts: Merge) -> None:
    late = parts.track(7, "a:x")
    assert late.lane is not None
    late.lane.add_waiting(late)
    assert not parts.merge.must_wait(parts.identify(5), LINKED)


def test_a_call_waits_for_a_record_that_waits_for_its_state_key(parts: Merge) -> None:
    anonymous = parts.hold(3)
    anonymous.defer(3)
    assert parts.merge.must_wait(parts.identify(5), LINKED)


@pytest.mark.parametrize(
    ("pos", "directory", "belongs_to_another"),
    [(10, SHARED, True), (8, SHARED, False), (10, LINKED, False), (10, DirectorySnapshot(), False)],
    ids=["x belongs to u2 by now", "both belong to u1", "both belong to u1 for good", "x belongs to nobody"],
)
def test_an_event_is_not_held_behind_what_belongs_to_another_user(
    parts: Merge, pos: int, directory: DirectorySnapshot, belongs_to_another: bool
) -> None:
    parts.hold(6)
    assert parts.merge.belongs_to_another(parts.track(pos, "a:x"), directory) is belongs_to_another


def test_only_events_that_a_gate_could_hold_are_asked_for(parts: Merge) -> None:
    parts.hold(6)
    call = parts.read(10, "a:x", "identify")
    call.event = event("identify", anonymous_id="x")
    assert not parts.merge.belongs_to_another(call, SHARED)


def test_before_the_next_users_event_what_is_held_goes_to_the_one_before(parts: Merge) -> None:
    anonymous, target = parts.hold(6), parts.lane("u:u1")
    delivery = parts.track(10, "a:x")
    assert parts.merge.hand_over(delivery, SHARED), "a turn after the commit"
    assert (anonymous.held.count, target.held.count) == (0, 1)
    assert list(anonymous.waiting) == [delivery]


def test_where_the_other_lane_is_not_loaded_the_event_has_another_turn_at_once(parts: Merge) -> None:
    anonymous = parts.hold(6)
    parts.lanes.take("u:u1")  # its row may be there, and was not read
    delivery = parts.track(10, "a:x")
    assert not parts.merge.hand_over(delivery, SHARED)
    assert anonymous.held.count == 1
    assert parts.run_queue.take(Line.LIVE, 9) == [anonymous]


def test_the_lanes_beside_a_batch_are_those_it_links_and_those_to_whom_its_held_events_belong(parts: Merge) -> None:
    parts.hold(6)
    asked: list[Any] = [parts.track(10, "a:x"), parts.identify(11, user="u9", anonymous="y")]
    assert [lane.key for lane in parts.merge.lanes_beside(asked, SHARED)] == ["a:y", "u:u1"]


def test_while_nothing_is_held_no_lane_is_loaded_beside(parts: Merge) -> None:
    delivery = Delivery(log_row(5, "u:u1", "identify"), parts.lane("u:u1"))
    delivery.event = event("identify", user_id="u1", anonymous_id="x")
    assert parts.merge.lanes_beside([delivery], LINKED) == []
