"""A request whose events were all taken: what becomes of the lanes in which they stood."""

from __future__ import annotations

from typing import Any

from router.deliver.lanes.delivery import Delivery
from router.deliver.send.request_batch import BatchPart, RequestBatch
from router.deliver.send.sender import DELIVERED, Attempt, Ended
from router.deliver.settle.responses import Responses
from router.deliver.settle.status_changes import StatusChanges
from router.plugin import Item
from router.vocabulary import EventState, Line
from tests.unit.deliver.parts import Parts


def take(parts: Parts, delivery: Delivery, *, is_busy: bool = False) -> None:
    """The vendor takes this event, which is in flight."""
    lane, nobody = delivery.lane, [Item({})]
    assert lane is not None
    delivery.items = nobody
    lane.start(delivery)
    status = StatusChanges(parts.context, parts.state)
    responses = Responses(parts.context, parts.state, parts.outcomes, status, parts.lines, lambda warning: None)
    responses.is_busy = lambda: is_busy
    client: Any = None
    attempt = Attempt(parts.context.destination, client, parts.clock, status=200)
    batch = RequestBatch("", Line.LIVE, [BatchPart(delivery, nobody)])
    assert list(responses.on_responses([Ended(batch, attempt, [DELIVERED])])) == []


def test_a_lane_is_forgotten_with_its_last_event_and_asks_for_no_turn() -> None:
    parts = Parts()
    last = parts.read(1)
    take(parts, last)
    assert (len(parts.lanes), len(parts.run_queue), parts.wakes) == (0, 0, 0)


def test_a_lane_with_a_further_event_wants_a_turn_for_it() -> None:
    parts = Parts()
    first, second = parts.read(1), parts.read(2)
    assert first.lane is not None
    first.lane.add_waiting(second)
    take(parts, first)
    assert (len(parts.lanes), len(parts.run_queue), parts.wakes) == (1, 1, 1)


def test_its_turn_can_wait_for_the_next_round_of_the_loop_where_much_waits_for_requests() -> None:
    parts = Parts()
    first, second = parts.read(1), parts.read(2)
    assert first.lane is not None
    first.lane.add_waiting(second)
    take(parts, first, is_busy=True)
    assert (len(parts.lanes), len(parts.run_queue), parts.wakes) == (1, 1, 0)


def test_an_event_that_stood_in_a_lane_is_settled_like_any_other() -> None:
    parts = Parts()
    take(parts, parts.read(1))
    batch, _ = parts.work.close_batch()
    assert batch.settled == {1: (EventState.DELIVERED, "")}
    assert [positions for _, positions in batch.tried] == [[1]]
    assert (batch.pos, parts.work.unsettled) == (1, {})
