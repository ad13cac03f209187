"""What becomes of an event: its lane, its row and the commit after each end and each stay."""

from __future__ import annotations

from typing import Any

import pytest

from router.decide.gate import Closed
from router.deliver.lanes.delivery import Announcement, Delivery
from router.deliver.settle.destination_verdict import Suspected
from router.deliver.settle.event_outcomes import SUSPECT_ATTEMPTS
from router.plugin import RetryLater
from router.testing.clock import START_MS
from router.vocabulary import EventState, LaneState, Line, Queue
from tests.unit.deliver.parts import Parts, event

CLOSED = Closed("group_unknown", ("u:u1",))
LATER = RetryLater("status_503", "words", after_s=5.0)
DUE_MS = START_MS + 5000


def flying(parts: Parts, pos: int, user_key: str = "u:u1") -> Delivery:
    """An event in flight."""
    delivery = parts.read(pos, user_key)
    assert delivery.lane is not None
    delivery.lane.start(delivery)
    return delivery


def group_call(parts: Parts, pos: int, user_key: str = "u:u1") -> Delivery:
    """A group call in flight that names acme."""
    parts.readiness.read(pos, "group")
    delivery = parts.read(pos, user_key, "group")
    delivery.event = event("group", user_id=user_key[2:], group_id="acme", traits={"name": "Acme"})
    delivery.announcement = Announcement(frozenset({user_key}), (user_key,), ("name",))
    return delivery


# ------------------------------------------------------------ retries


def test_a_failed_attempt_parks_the_event_and_blocks_its_user_until_the_next_one() -> None:
    parts = Parts()
    delivery = flying(parts, 1)
    parts.outcomes.retry(delivery, LATER)
    lane = parts.lane()
    assert (lane.state, lane.due_at, lane.attempts, lane.current) == (LaneState.BLOCKED, DUE_MS, 1, None)
    assert (delivery.fields.state, delivery.fields.queue, delivery.attempts) == (EventState.RETRYING, Queue.MAIN, 1)
    row = parts.work.close_batch()[0].park[1]
    assert (row.state, row.reason, row.attempts, row.first_at) == ("retrying", "status_503", 1, START_MS)


def test_a_retry_of_a_held_event_stays_in_the_held_queue() -> None:
    parts = Parts()
    delivery = parts.read(1)
    parts.outcomes.hold(delivery, CLOSED)
    parts.outcomes.retry(delivery, LATER)
    assert (delivery.fields.queue, parts.lane().held.count) == (Queue.HELD, 1)


@pytest.mark.parametrize(
    ("max_age", "for_s", "passed_s", "is_given_up"),
    [
        ("60s", None, 59, False),
        ("60s", None, 60, True),
        ("60s", 10.0, 9, False),
        ("60s", 10.0, 10, True),
        ("5s", 10.0, 5, True),
    ],
    ids=["within max_age", "at max_age", "within what the plugin grants", "at that", "max_age is the shorter one"],
)
def test_an_event_is_given_up_when_it_was_tried_for_long_enough(
    max_age: str, for_s: float | None, passed_s: float, is_given_up: bool
) -> None:
    parts = Parts(delivery={"max_age": max_age})
    delivery = flying(parts, 1)
    parts.outcomes.retry(delivery, RetryLater("status_503", "words", for_s=for_s))
    parts.clock.advance(passed_s)
    parts.outcomes.retry(delivery, RetryLater("status_503", "words", for_s=for_s))
    dead = [(letter.reason, letter.detail) for letter in parts.work.close_batch()[0].dead]
    assert dead == ([("expired", "status_503: words")] if is_given_up else [])


def test_the_age_of_an_event_stands_still_while_its_destination_does() -> None:
    parts = Parts(delivery={"max_age": "60s"})
    delivery = flying(parts, 1)
    parts.outcomes.retry(delivery, LATER)
    parts.breaker.pause_by_hand()
    parts.clock.advance(1000)
    parts.breaker.resume()
    parts.clock.advance(59)
    parts.outcomes.retry(delivery, LATER)
    assert delivery.fields.state is EventState.RETRYING


def test_a_403_that_only_this_event_meets_is_taken_for_its_own_after_three_attempts() -> None:
    parts = Parts()
    delivery = flying(parts, 1)
    for _ in range(SUSPECT_ATTEMPTS):
        assert not parts.work.letters
        parts.outcomes.retry(delivery, Suspected("status_403", "words"))
    [letter] = parts.work.close_batch()[0].dead
    assert (letter.reason, letter.detail, letter.attempts) == ("rejected", "status_403: words", 3)


def test_a_plugin_that_asks_for_a_retry_gets_it_whatever_its_reason_is_called() -> None:
    parts = Parts()
    delivery = flying(parts, 1)
    for _ in range(SUSPECT_ATTEMPTS + 1):
        parts.outcomes.retry(delivery, RetryLater("status_403", "words"))
    assert not parts.work.letters


# ------------------------------------------------------------ holding


def test_a_closed_gate_holds_an_event_and_later_ones_wait_behind_it() -> None:
    parts = Parts()
    first, second = parts.read(1), parts.read(2)
    parts.outcomes.hold(first, CLOSED)
    parts.outcomes.hold(second, Closed("group_name_unknown", ("g:acme",), "acme"))
    lane = parts.lane()
    assert (lane.state, lane.held.count, lane.wait.keys) == (LaneState.HOLDING, 2, ("u:u1",))
    assert parts.lanes.waiting_for("u:u1") == [lane]
    assert parts.work.held == 2


def test_an_event_held_before_the_first_one_says_what_the_lane_waits_for() -> None:
    parts = Parts()
    late, early = parts.read(5), parts.read(2)
    parts.outcomes.hold(late, CLOSED)
    parts.outcomes.hold(early, Closed("group_name_unknown", ("g:acme",), "acme"))
    lane = parts.lane()
    assert (lane.first_held, lane.wait.keys) == (early.order_key, ("g:acme",))


def test_a_held_event_whose_gate_is_closed_still_stays_and_waits_for_what_it_says_now() -> None:
    parts = Parts()
    delivery = parts.read(1)
    parts.outcomes.hold(delivery, CLOSED)
    parts.work.close_batch()
    parts.outcomes.hold(delivery, Closed("group_name_unknown", ("g:acme",), "acme"))
    lane = parts.lane()
    assert (lane.held.count, lane.wait.keys) == (1, ("g:acme",))
    batch, _ = parts.work.close_batch()
    assert (batch.park, batch.repark, list(batch.lanes)) == ({}, {}, ["u:u1"])


@pytest.mark.parametrize(
    ("hold", "words"),
    [({"max_events_per_user": 2}, "hold.max_events_per_user"), ({"max_bytes": "25B"}, "hold.max_bytes")],
    ids=["by number", "by bytes"],
)
def test_beyond_the_bounds_of_what_is_held_an_event_is_a_dead_letter(hold: dict[str, Any], words: str) -> None:
    parts = Parts(hold=hold)
    for pos in (1, 2, 3):
        parts.outcomes.hold(parts.read(pos, size=10), CLOSED)
    [letter] = parts.work.close_batch()[0].dead
    assert (letter.pos, letter.reason) == (3, "hold_full")
    assert words in letter.detail
    assert parts.lane().held.count == 2


# ------------------------------------------------------------ parking


def test_an_event_behind_a_blocked_lane_parks_and_the_lane_stays_blocked() -> None:
    parts = Parts()
    parts.outcomes.retry(flying(parts, 1), LATER)
    parts.outcomes.park_behind(parts.read(2))
    lane = parts.lane()
    assert (lane.state, lane.due_at, lane.main.count) == (LaneState.BLOCKED, DUE_MS, 2)
    assert parts.work.close_batch()[0].park[2].reason == "behind_lane"


def test_an_event_that_parks_for_want_of_memory_goes_out_as_soon_as_it_can() -> None:
    parts = Parts()
    parts.outcomes.park_behind(parts.read(1))
    lane = parts.lane()
    assert (lane.state, lane.line) == (LaneState.DRAINING, Line.LIVE)


def test_an_event_in_flight_that_holds_the_cursor_back_gets_a_row_and_stays_in_flight() -> None:
    parts = Parts()
    delivery = flying(parts, 1)
    parts.read(2)
    parts.outcomes.park_in_flight(delivery)
    lane = parts.lane()
    assert (lane.current, lane.main.count, lane.state) == (delivery, 1, LaneState.DRAINING)
    assert parts.work.close_batch()[0].pos == 1


def test_at_the_bound_behind_a_retry_the_retrying_event_is_given_up_and_never_those_behind_it() -> None:
    parts = Parts(hold={"max_events_per_user": 2})
    retried = flying(parts, 1)
    parts.outcomes.retry(retried, LATER)
    for pos in (2, 3):
        parts.outcomes.park_behind(parts.read(pos))
    lane = parts.lane()
    assert (lane.is_at_bound, lane.state, lane.line) == (True, LaneState.DRAINING, Line.RETRY)
    parts.outcomes.retry(retried, LATER)
    [letter] = parts.work.close_batch()[0].dead
    assert (letter.pos, letter.reason, lane.is_at_bound) == (1, "expired", False)
    assert lane.main.count == 2


@pytest.mark.parametrize("is_blocked", [False, True])
def test_what_a_timer_or_a_replay_puts_in_goes_now_unless_the_lane_is_blocked(is_blocked: bool) -> None:
    parts = Parts()
    if is_blocked:
        parts.outcomes.retry(flying(parts, 1), LATER)
    parts.outcomes.insert(parts.read(2), "wake", Line.RELEASE)
    lane = parts.lane()
    assert lane.state is (LaneState.BLOCKED if is_blocked else LaneState.DRAINING)
    assert parts.work.close_batch()[0].park[2].reason == "wake"


# ------------------------------------------------------------ group calls


def test_a_settled_group_call_counts_and_lets_go_who_waits_for_it_for_its_group_or_for_its_users() -> None:
    parts = Parts()
    waiting = {}
    for n, key in enumerate(("c:20", "g:acme", "u:u1", "g:other")):
        held = parts.read(n + 1, f"u:w{n}")
        parts.outcomes.hold(held, Closed("group_unknown", (key,)))
        waiting[key] = held.lane
    call = group_call(parts, 20)
    assert not parts.readiness.has(20, "id")
    parts.outcomes.settle(call, "delivered", "")
    assert parts.readiness.has(20, "id")
    draining = {key for key, lane in waiting.items() if lane is not None and lane.is_draining}
    assert draining == {"c:20", "g:acme", "u:u1"}


def test_a_parked_group_call_does_not_count_and_the_commit_says_so() -> None:
    parts = Parts()
    call = group_call(parts, 1)
    parts.outcomes.retry(call, LATER)
    assert not parts.readiness.has(1, "id")
    [row] = parts.work.close_batch()[0].supplies.values()
    assert row is not None
    assert (row.pos, row.missing, row.is_dead) == (1, ("id", "name"), False)


def test_a_dead_group_call_is_refused_and_who_waited_for_it_asks_again() -> None:
    parts = Parts()
    held = parts.read(1, "u:w")
    parts.outcomes.hold(held, Closed("group_unknown", ("c:20",)))
    parts.outcomes.bury(group_call(parts, 20), "rejected", "words")
    assert parts.readiness.is_refused(20)
    assert held.lane is not None
    assert held.lane.is_draining, "its user may belong to another group"


def test_a_dead_event_leaves_its_lane_free_for_the_next_one() -> None:
    parts = Parts()
    delivery = flying(parts, 1)
    parts.outcomes.bury(delivery, "rejected", "words")
    lane = parts.lane()
    assert lane.current is None
    assert parts.run_queue.take(Line.LIVE, 9) == [lane]
