"""Router time starts no earlier than a mark and an alarm rings at the earliest instant it was set for."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest

from router.clock import Alarm, SystemClock, to_datetime, to_iso
from tests.contract.rig import START_MS, FakeClock


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_router_time_is_wall_time_at_the_start() -> None:
    assert abs(SystemClock().now_ms() - time.time() * 1000) < 1000


def test_router_time_does_not_start_before_its_mark() -> None:
    mark = int(time.time() * 1000) + 10**9
    assert mark <= SystemClock(mark).now_ms() < mark + 1000


def test_router_time_takes_no_notice_of_a_mark_in_the_past() -> None:
    assert abs(SystemClock(1).now_ms() - time.time() * 1000) < 1000


def test_router_time_follows_the_monotonic_clock_and_not_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    before = clock.now_ms()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    start = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: start + 60)
    assert 60_000 <= clock.now_ms() - before < 61_000


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1_767_323_045_678, "2026-01-02T03:04:05.678Z")],
)
def test_instants_are_shown_in_utc_with_milliseconds(ms: int, text: str) -> None:
    assert to_iso(ms) == text
    assert to_datetime(ms) == datetime.fromisoformat(text).astimezone(UTC)


async def test_an_alarm_rings_when_its_instant_has_come_and_not_before() -> None:
    clock, rings = FakeClock(), []
    async with Alarm(clock, lambda: rings.append(clock.ms)) as alarm:
        alarm.set(START_MS + 1000)
        await settle()
        clock.advance(0.999)
        await settle()
        assert rings == []
        clock.advance(0.001)
        await settle()
        assert rings == [START_MS + 1000]


async def test_an_alarm_set_to_an_earlier_instant_rings_then() -> None:
    clock, rings = FakeClock(), []
    async with Alarm(clock, lambda: rings.append(clock.ms)) as alarm:
        alarm.set(START_MS + 5000)
        await settle()
        alarm.set(START_MS + 1000)
        await settle()
        clock.advance(1)
        await settle()
        assert rings == [START_MS + 1000]


async def test_an_alarm_set_to_a_later_instant_keeps_the_earlier_one() -> None:
    clock, rings = FakeClock(), []
    async with Alarm(clock, lambda: rings.append(clock.ms)) as alarm:
        alarm.set(START_MS + 1000)
        alarm.set(START_MS + 5000)
        await settle()
        clock.advance(1)
        await settle()
        assert len(rings) == 1


async def test_an_alarm_can_be_set_again_after_it_rang() -> None:
    clock, rings = FakeClock(), []
    async with Alarm(clock, lambda: rings.append(clock.ms)) as alarm:
        for n in (1, 2):
            alarm.set(START_MS + n * 1000)
            await settle()
            clock.advance(1)
            await settle()
        assert len(rings) == 2


async def test_an_alarm_for_the_past_rings_at_once() -> None:
    clock, rings = FakeClock(), []
    async with Alarm(clock, lambda: rings.append(clock.ms)) as alarm:
        alarm.set(START_MS - 1000)
        await settle()
        assert len(rings) == 1


async def test_an_alarm_that_was_left_rings_no_more() -> None:
    clock, rings = FakeClock(), []
    async with Alarm(clock, lambda: rings.append(clock.ms)) as alarm:
        alarm.set(START_MS + 1000)
        await settle()
    clock.advance(2)
    await settle()
    assert rings == []
