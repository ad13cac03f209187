"""The wall clock jumps while a destination works: nothing expires, nothing is hurried, nothing is delivered twice.

The real clock, store and worker; only the machine's two clocks are moved by hand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from router.clock import SystemClock
from router.deliver.jobs.due_lanes import DRAINING
from router.logger import make_log
from router.plugin import Delivered, RetryLater
from router.store.sqlite import dedupe
from router.testing.clock import START_MS, FakeClock
from tests.contract.rig import Gated, Plain, Rig
from tests.contract.simulation import inside
from tests.contract.store_case import open_case
from tests.contract.test_worker_state import Sessions

HOUR, DAY = 3600.0, 86_400.0


class Machine(FakeClock):
    """A machine whose wall clock can jump: the router's own clock on top of it."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped_ms = 0
        self.told: list[float] = []
        self.clock: SystemClock

    def boot(self, mark: int) -> Machine:
        """The process starts."""
        self.clock = SystemClock(
            mark, self.told.append, wall_ns=lambda: (self.ms + self.jumped_ms) * 1_000_000, monotonic=self.monotonic
        )
        return self

    def now_ms(self) -> int:
        return self.clock.now_ms()

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.jumped_ms += int(seconds * 1000)


class MachineRig(Rig):
    """A rig on such a machine."""

    clock: Machine


@asynccontextmanager
async def running(folder: Path, machine: Machine, retention_s: float = 7 * DAY) -> AsyncIterator[MachineRig]:
    """The store and all around it; again in the same folder is a restart."""
    path = folder / "router.db"
    async with open_case(path, machine.boot, dedupe_window_s=DAY, min_free_bytes=0, retention_s=retention_s) as (
        store,
        _,
    ):
        rig = MachineRig(store, machine, make_log("error", "json", clock=machine))
        await store.cursor("d", machine.now_ms())
        try:
            yield rig
        finally:
            await rig.crash()


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
async def rig(tmp_path: Path, machine: Machine) -> AsyncIterator[MachineRig]:
    async with running(tmp_path, machine) as rig:
        yield rig


EITHER_WAY = pytest.mark.parametrize("jump", [HOUR, DAY, -HOUR, -DAY])


@EITHER_WAY
async def test_held_events_do_not_expire_with_a_jump_but_by_their_age(rig: MachineRig, jump: float) -> None:
    rig.start(Gated, hold={"max_age": "30m"})
    await rig.accept([rig.make("track", f"m{n}", userId=f"u{n}") for n in range(20)])
    await rig.quiet()
    rig.clock.jump(jump)
    ledger = await rig.pass_time(25 * 60, 60)
    assert (ledger["held"], ledger["dead"]) == (20, 0)
    ledger = await rig.pass_time(12 * 60, 60)
    assert (ledger["held"], ledger["dead"]) == (0, 20)
    assert rig.clock.told == [pytest.approx(jump, abs=60)]


@EITHER_WAY
async def test_lanes_that_wait_for_their_next_attempt_are_not_all_due_with_a_jump(rig: MachineRig, jump: float) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=600)
    rig.start(Plain)
    await rig.accept([rig.make("track", f"m{n}", userId=f"u{n}") for n in range(9)])
    await rig.quiet()
    before = len(rig.vendor.calls)
    assert before == 9, "too few in a row to open the breaker"
    rig.clock.jump(jump)
    await rig.pass_time(500, 20)
    assert len(rig.vendor.calls) == before
    await rig.pass_time(200, 20)
    assert len(rig.vendor.calls) > before, "a tenth sooner or later than without the jump"


@EITHER_WAY
async def test_an_event_that_is_retried_is_not_given_up_with_a_jump(rig: MachineRig, jump: float) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=60)
    rig.start(Plain, delivery={"max_age": "30m"})
    await rig.call("track", "m", userId="u1")
    await rig.quiet()
    rig.clock.jump(jump)
    ledger = await rig.pass_time(25 * 60, 20)
    assert (ledger["retrying"], ledger["dead"]) == (1, 0)


@EITHER_WAY
async def test_a_pause_that_the_vendor_asked_for_is_neither_cut_nor_drawn_out(rig: MachineRig, jump: float) -> None:
    rig.start(Plain)
    await rig.quiet()
    worker = await rig.runner.worker()
    worker.state.breaker.wait(600)
    worker.core.status.record(True)
    rig.clock.jump(jump)
    await rig.call("track", "m", userId="u1")
    await rig.pass_time(500, 20)
    assert rig.vendor.ids() == []
    await rig.pass_time(200, 20)
    assert rig.vendor.ids() == ["m"]


@EITHER_WAY
async def test_timers_do_not_run_out_with_a_jump(rig: MachineRig, jump: float) -> None:
    rig.start(Sessions)
    await rig.call("track", "m", userId="u1", event="E")
    await rig.quiet()
    rig.clock.jump(jump)
    await rig.pass_time(8, 1)
    assert rig.vendor.ids() == ["m"]
    await rig.pass_time(4, 1)
    assert rig.vendor.ids() == ["m", "end-u1"]


@pytest.mark.parametrize("jump", [3 * DAY, -3 * DAY])
async def test_a_message_id_stays_a_duplicate_over_a_jump(rig: MachineRig, jump: float) -> None:
    await rig.call("track", "m", userId="u1")
    rig.clock.jump(jump)
    rig.clock.advance(60)
    await rig.call("track", "m", userId="u1")
    assert rig.store.head == 1


async def test_the_log_is_not_trimmed_by_a_jump(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dedupe, "MERGE_AT", 1)
    async with running(tmp_path, machine, retention_s=HOUR) as rig:
        rig.start(Plain)

        async def oldest_after_one_more(name: str) -> int:
            for n in range(3):
                await rig.call("track", f"{name}{n}", userId="u1")
                await rig.quiet()
            with closing(sqlite3.connect(tmp_path / "router.db")) as db:
                return int(db.execute("SELECT min(pos) FROM log").fetchone()[0])

        await oldest_after_one_more("a")
        machine.jump(30 * DAY)
        machine.advance(60)
        assert await oldest_after_one_more("b") == 1
        machine.advance(HOUR)
        assert await oldest_after_one_more("c") > 1


async def test_events_that_are_accepted_after_a_jump_carry_router_time(rig: MachineRig) -> None:
    rig.clock.jump(-DAY)
    rig.clock.advance(10)
    await rig.call("track", "m", userId="u1")
    assert (await rig.store.read(0, 1, 1 << 20))[0].received_at == START_MS + 9_000


async def test_after_a_restart_router_time_goes_on_where_it_was_though_the_wall_clock_was_set_back_a_day(
    tmp_path: Path, machine: Machine
) -> None:
    def answer(bodies: list[dict[str, Any]]) -> Any:
        return RetryLater("status_503", after_s=600)

    async with running(tmp_path, machine) as rig:
        rig.vendor.answer = answer
        rig.start(Plain)
        machine.advance(100)
        await rig.call("track", "m", userId="u1")
        await rig.quiet()
        before = machine.now_ms()
    machine.jump(-DAY)
    async with running(tmp_path, machine) as rig:
        assert before <= machine.now_ms() < before + 1000
        assert machine.told == [pytest.approx(-DAY, abs=1)]
        await rig.call("track", "m", userId="u1")
        assert rig.store.head == 1, "still a duplicate"
        rig.start(Plain)
        await rig.pass_time(500, 20)
        assert rig.vendor.ids() == []
        await rig.pass_time(200, 20)
        assert rig.vendor.ids() == ["m"]


async def test_a_start_with_many_overdue_lanes_takes_them_at_the_destination_s_pace(
    tmp_path: Path, machine: Machine
) -> None:
    users = DRAINING + 200
    async with running(tmp_path, machine) as rig:
        rig.vendor.answer = lambda bodies: (
            Delivered() if int(bodies[0]["user"][1:]) % 5 == 0 else RetryLater("status_503", after_s=600)
        )  # never enough failures in a row to open the breaker
        rig.start(Plain)
        await rig.accept([rig.make("track", f"m{n}", userId=f"u{n}") for n in range(users * 5 // 4)])
        assert (await rig.quiet())["retrying"] == users
    machine.advance(DAY)
    async with running(tmp_path, machine) as rig:
        flying: list[str] = []
        most = draining = 0

        async def answer(bodies: list[dict[str, Any]]) -> Delivered:
            nonlocal most, draining
            flying.append(bodies[0]["m"])
            worker = await rig.runner.worker()
            most, draining = max(most, len(flying)), max(draining, inside.draining_lanes(worker))
            await rig.vendor_moves()
            flying.remove(bodies[0]["m"])
            return Delivered()

        rig.vendor.answer = answer
        rig.start(Plain, delivery={"concurrency": 6})
        ledger = await rig.pass_time(60, 5)
        assert ledger["delivered"] == users * 5 // 4
        assert most == 6
        assert draining <= DRAINING
