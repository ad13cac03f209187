"""Router time starts no earlier than a mark, takes a jump of the wall clock in slowly, and never runs back; an alarm rings at
the earliest instant it was set for."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from random import Random

import pytest

from router.clock import Alarm, SystemClock, to_datetime, to_iso
from router.testing.clock import START_MS, FakeClock


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Machine:
    """A machine's two clocks, moved by hand, and what was told of jumps."""

    def __init__(self) -> None:
        self.wall_s, self.monotonic_s = START_MS / 1000, 77.0
        self.told: list[float] = []

    def clock(self, mark: int = 0) -> SystemClock:
        """A clock that starts now."""
        return SystemClock(
            mark, self.told.append, wall_ns=lambda: round(self.wall_s * 1e9), monotonic=lambda: self.monotonic_s
        )

    def run(self, seconds: float, drift: float = 0.0) -> None:
        """Time passes on both; the wall clock goes wrong by `drift` a second."""
        self.monotonic_s += seconds
        self.wall_s += seconds * (1 + drift)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def since_start(clock: SystemClock) -> float:
    """Seconds of router time."""
    return (clock.now_ms() - START_MS) / 1000


def test_router_time_is_wall_time_at_the_start() -> None:
    before = time.time() * 1000
    assert before - 1000 < SystemClock().now_ms() < time.time() * 1000 + 1000


def test_router_time_passes_with_the_monotonic_clock(machine: Machine) -> None:
    clock = machine.clock()
    machine.run(60)
    assert since_start(clock) == pytest.approx(60, abs=0.002)
    assert machine.told == []


@pytest.mark.parametrize(("jump", "after"), [(3600, 11), (86_400, 11), (-3600, 9), (-86_400, 9)])
def test_a_jump_of_the_wall_clock_is_told_once_and_taken_in_at_a_second_in_ten(
    machine: Machine, jump: float, after: float
) -> None:
    clock = machine.clock()
    machine.wall_s += jump
    assert since_start(clock) == 0
    machine.run(10)
    assert since_start(clock) == pytest.approx(after, abs=0.002)
    for _ in range(100):
        machine.run(1)
        clock.now_ms()
    assert machine.told == [pytest.approx(jump, abs=0.1)]


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_jump_is_taken_in_whole_and_no_further(machine: Machine, jump: float) -> None:
    clock = machine.clock()
    machine.wall_s += jump
    for _ in range(3_700):
        machine.run(10)
        clock.now_ms()
    assert since_start(clock) == pytest.approx(37_000 + jump, abs=0.002)
    assert machine.told == [jump]


def test_a_second_jump_while_the_first_is_taken_in_is_told_as_well(machine: Machine) -> None:
    clock = machine.clock()
    for jump in (3600, -7200, 86_400):
        machine.wall_s += jump
        clock.now_ms()
        machine.run(30)
        clock.now_ms()
    assert machine.told == [pytest.approx(jump, abs=0.1) for jump in (3600, -7200, 86_400)]


@pytest.mark.parametrize("drift", [0.0005, -0.0005])
def test_a_wall_clock_that_is_slewed_is_followed_in_silence(machine: Machine, drift: float) -> None:
    clock = machine.clock()
    for _ in range(3_600):
        machine.run(10, drift)
        clock.now_ms()
    assert since_start(clock) == pytest.approx(36_000 * (1 + drift), abs=0.01)
    assert machine.told == []


def test_waking_from_a_suspension_of_the_machine_is_a_jump(machine: Machine) -> None:
    clock = machine.clock()
    machine.wall_s += 8 * 3600  # CLOCK_MONOTONIC stood still
    assert since_start(clock) == 0
    assert machine.told == [8 * 3600]


def test_router_time_never_runs_back(machine: Machine) -> None:
    random = Random(1)
    clock = machine.clock()
    last = clock.now_ms()
    for _ in range(5_000):
        machine.run(random.choice((0.0, 0.0001, 1.0, 500.0)))
        if random.random() < 0.1:
            machine.wall_s += random.uniform(-1, 1) * random.choice((1, 60, 100_000))
        if random.random() < 0.05:
            clock = machine.clock(last)
        now = clock.now_ms()
        assert now >= last
        last = now


def test_within_half_a_millisecond_router_time_goes_on_without_the_wall_clock(machine: Machine) -> None:
    clock = machine.clock()
    machine.run(0.2)
    assert since_start(clock) == pytest.approx(0.2, abs=0.001)
    machine.wall_s += 3600
    machine.run(0.0004)
    clock.now_ms()
    assert machine.told == []
    machine.run(0.0004)
    clock.now_ms()
    assert machine.told == [pytest.approx(3600)]


def test_router_time_does_not_start_before_its_mark_and_waits_for_the_wall_clock_by_running_slower(
    machine: Machine,
) -> None:
    clock = machine.clock(START_MS + 86_400_000)
    assert since_start(clock) == 86_400
    machine.run(10)
    assert since_start(clock) == pytest.approx(86_409, abs=0.002)
    assert machine.told == [-86_400]


def test_router_time_takes_no_notice_of_a_mark_in_the_past(machine: Machine) -> None:
    clock = machine.clock(1)
    assert since_start(clock) == 0
    assert machine.told == []


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
