"""The lanes that want a turn: each once, in three lines, first come first."""

from __future__ import annotations

import pytest

from router.deliver.lanes.lane import Lane
from router.deliver.lanes.run_queue import RunQueue
from router.testing.clock import START_MS
from router.vocabulary import Line


def lane(key: str, line: Line | None = None) -> Lane:
    """A lane; one that drains in a line, if that is named."""
    made = Lane(key, is_loaded=True)
    if line is not None:
        made.drain(line, START_MS)
    return made


@pytest.fixture
def queue() -> RunQueue:
    return RunQueue(lambda: None)


def test_lanes_come_in_the_order_in_which_they_asked(queue: RunQueue) -> None:
    lanes = [lane(f"u:{n}") for n in range(4)]
    for one in lanes:
        queue.add(one)
    assert queue.take(Line.LIVE, 3) == lanes[:3]
    assert queue.take(Line.LIVE, 3) == lanes[3:]
    assert queue.take(Line.LIVE, 3) == []


def test_a_lane_stands_in_it_once_and_may_ask_again_after_its_turn(queue: RunQueue) -> None:
    one = lane("u:1")
    queue.add(one)
    queue.add(one)
    assert len(queue) == 1
    assert queue.take(Line.LIVE, 5) == [one]
    queue.add(one)
    assert queue.take(Line.LIVE, 5) == [one]


@pytest.mark.parametrize("line", list(Line))
def test_a_draining_lane_stands_in_its_line(queue: RunQueue, line: Line) -> None:
    queue.add(lane("u:1", line))
    assert [name for name in Line if queue.has(name)] == [line]
    assert {name: len(queue.take(name, 5)) for name in Line} == {name: int(name is line) for name in Line}


def test_a_lane_that_does_not_drain_stands_with_the_live_ones_whatever_line_it_had(queue: RunQueue) -> None:
    one = lane("u:1", Line.RETRY)
    one.block(START_MS, 1)
    queue.add(one)
    assert queue.take(Line.LIVE, 5) == [one]


def test_the_loop_is_woken_by_everyone_who_asks_also_by_one_who_stands_there_already() -> None:
    wakes: list[None] = []
    queue, one = RunQueue(lambda: wakes.append(None)), lane("u:1")
    queue.add(one)
    queue.add(one)
    assert len(wakes) == 2
