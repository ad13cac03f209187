"""Which lanes may ask their gate again, in memory and in rows, and what a snapshot that is being read may have missed."""

from __future__ import annotations

import pytest

from router.decide.gate import Closed
from router.deliver.lanes.lane import Lane
from router.testing.clock import START_MS
from router.vocabulary import LaneState, Line
from tests.unit.deliver.parts import Parts


@pytest.fixture
def parts() -> Parts:
    return Parts()


def hold(parts: Parts, pos: int, user_key: str, *keys: str) -> Lane:
    """Hold an event that waits for these."""
    delivery = parts.read(pos, user_key)
    parts.outcomes.hold(delivery, Closed("group_unknown", keys))
    assert delivery.lane is not None
    return delivery.lane


def test_lanes_that_wait_for_it_drain_and_rows_are_released_with_the_commit(parts: Parts) -> None:
    waiting, other = hold(parts, 1, "u:1", "g:acme"), hold(parts, 2, "u:2", "g:other")
    parts.releases.release(["g:acme"])
    assert (waiting.state, waiting.line, waiting.wait.keys) == (LaneState.DRAINING, Line.RELEASE, ())
    assert (other.state, other.wait.keys) == (LaneState.HOLDING, ("g:other",))
    assert parts.work.close_batch()[0].opened == {"g:acme": ""}


def test_while_nothing_is_held_nothing_is_released(parts: Parts) -> None:
    parts.releases.release(["g:acme"])
    assert parts.work.close_batch()[0].opened == {}


def test_a_lane_that_awaits_an_attempt_keeps_to_its_time(parts: Parts) -> None:
    lane = hold(parts, 1, "u:1", "g:acme")
    parts.lanes.block(lane, START_MS + 5000, 1, "status_503")
    parts.work.close_batch()
    parts.releases.release(["g:acme"])
    assert (lane.state, lane.due_at, lane.wait.keys) == (LaneState.BLOCKED, START_MS + 5000, ())
    image = parts.work.close_batch()[0].lanes["u:1"]
    assert image is not None
    assert image.need == "", "that its need is met outlives a start"


@pytest.mark.parametrize("is_stored", [False, True])
def test_what_is_met_is_known_until_the_commit_that_says_so_is_stored(parts: Parts, is_stored: bool) -> None:
    hold(parts, 1, "u:1", "g:acme")
    parts.releases.release(["g:acme"])
    batch, _ = parts.work.close_batch()
    if is_stored:
        parts.releases.stored(batch.opened)
    met = parts.releases.watch()
    assert met() == (set() if is_stored else {"g:acme"})


def test_what_is_met_while_a_snapshot_is_read_is_known_though_it_is_stored_meanwhile(parts: Parts) -> None:
    hold(parts, 1, "u:1", "g:acme")
    met = parts.releases.watch()
    parts.releases.release(["g:acme"])
    parts.releases.stored(parts.work.close_batch()[0].opened)
    assert met() == {"g:acme"}


def test_the_same_key_in_two_commits_is_known_until_both_are_stored(parts: Parts) -> None:
    hold(parts, 1, "u:1", "g:acme")
    parts.releases.release(["g:acme"])
    first, _ = parts.work.close_batch()
    parts.releases.release(["g:acme"])
    parts.releases.stored(first.opened)
    assert parts.releases.watch()() == {"g:acme"}


def test_a_lane_that_drains_has_a_turn(parts: Parts) -> None:
    lane = parts.lane("u:1")
    parts.releases.drain(lane, Line.RELEASE)
    assert parts.run_queue.take(Line.RELEASE, 9) == [lane]
    assert parts.work.close_batch()[1] == [lane]
