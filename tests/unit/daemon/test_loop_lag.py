"""How late an event loop was is kept for a minute, and a loop that is held is late since it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from router.daemon.loop_watch import SLOT_S, SLOTS, WatchedLoop


@pytest.fixture
def watched() -> Iterator[WatchedLoop]:
    loop = asyncio.new_event_loop()
    yield WatchedLoop(loop, 0)
    loop.close()


def test_the_longest_of_the_last_minute_is_told(watched: WatchedLoop) -> None:
    for at, late in ((100.0, 0.2), (101.0, 3.0), (102.0, 0.1), (130.0, 0.5)):
        watched.was_late(at, late)
    assert watched.lag_s(130.0) == 3.0
    assert watched.lag_s(165.0) == 0.5, "the 3 s are over a minute ago"
    assert watched.lag_s(300.0) == 0.0


def test_a_minute_is_covered_whole() -> None:
    assert (SLOTS - 1) * SLOT_S == 60


def test_a_loop_that_is_held_is_late_since_it_was_asked(watched: WatchedLoop) -> None:
    watched.asked_at = 100.0
    assert watched.lag_s(107.5) == 7.5


def test_a_loop_is_not_held_while_the_machine_has_no_processor_for_it_and_late_all_the_same() -> None:
    waited = [40.0]
    loop = asyncio.new_event_loop()
    watched = WatchedLoop(loop, 0, waited=lambda: waited[0])
    watched.ask(100.0)
    waited[0] += 7.25
    assert (watched.held_s(107.5), watched.lag_s(107.5)) == (0.25, 7.5)
    watched.ask(200.0)
    assert watched.held_s(207.5) == 7.5
    loop.close()


def test_no_more_is_kept_than_a_minute(watched: WatchedLoop) -> None:
    for at in range(10_000):
        watched.was_late(float(at), 1.0)
    assert len(watched._late) == SLOTS
