"""A destination in a thread of its own, on a real store: what a hook that holds the thread costs, and what it does not."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from router.clock import SystemClock
from router.daemon import thread_runner
from router.daemon.loop_watch import LoopWatch
from router.daemon.thread_runner import ThreadRunner
from router.deliver.jobs.held_report import Waiting
from router.deliver.runner import Runner
from router.errors import CommandRefused
from router.plugin import Context, Delivered, Event, Item, Outcome, Sender, hookimpl, json_request
from router.store import DeadLetterFilter, EventLog
from router.store.from_thread import EventLogFromThread, StoreFromThread
from tests.contract.rig import VENDOR_URL, Plain, Rig, comes_true, destination, open_rig
from tests.patience import HANG_S


class Blocking(Plain):
    """Its `deliver` holds the thread until the gate is opened, and sends then."""

    entered: threading.Event
    gate: threading.Event

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
        self.entered.set()
        with contextlib.suppress(BaseException):  # an interrupt, too
            self.gate.wait(60)
        await sender.send(json_request(VENDOR_URL, [item.body for item in items]))
        return Delivered()


class Spinning(Plain):
    """Its mapping hook never returns, and never waits."""

    entered: threading.Event

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        self.entered.set()
        while True:
            pass


class Bench:
    """A thread whose loop is held by the first event."""

    def __init__(self, rig: Rig, plugin: type[Any]) -> None:
        self.rig = rig
        self.plugin: Any = type("Holding", (plugin,), {"entered": threading.Event(), "gate": threading.Event()})
        before = set(threading.enumerate())
        self.runner = self.new_runner()
        [self.thread] = set(threading.enumerate()) - before
        self.tasks = [asyncio.create_task(self.runner.run())]

    def new_runner(self, plugin: type[Any] | None = None) -> ThreadRunner:
        """A runner in a thread of its own."""
        rig, clock = self.rig, SystemClock()
        made = destination(plugin or self.plugin, rig.vendor, delivery={"timeout": "0.05s"})
        store = StoreFromThread(rig.store, asyncio.get_running_loop())
        runner = Runner(made, store, clock, rig.log, Random(1))
        waiting = Waiting(made, rig.store.queries, clock, rig.log)
        return ThreadRunner(runner, store, waiting, rig.log, LoopWatch(lambda: (), rig.log))

    async def hold(self) -> None:
        """Accept an event, and wait until its hook holds the thread."""
        await self.rig.call("track", "m1", userId="u1", event="E")
        assert await comes_true(self.rig, self.plugin.entered.is_set)


@pytest.fixture
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    monkeypatch.setattr(thread_runner, "ASK_S", HANG_S)
    for name in ("END_S", "CANCEL_S"):
        monkeypatch.setattr(thread_runner, name, 0.05)
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        bench = Bench(rig, getattr(request, "param", Blocking))
        yield bench
        bench.plugin.gate.set()
        bench.runner.cut()
        await asyncio.gather(*bench.tasks, return_exceptions=True)


async def test_what_was_left_behind_sends_nothing_when_its_hook_returns(bench: Bench) -> None:
    await bench.hold()
    bench.runner.stop()
    await bench.tasks[0]
    second = bench.new_runner(Plain)
    bench.tasks.append(asyncio.create_task(second.run()))
    assert await comes_true(bench.rig, lambda: len(bench.rig.vendor.calls) == 1)
    bench.plugin.gate.set()
    assert await comes_true(bench.rig, lambda: not bench.thread.is_alive())
    assert len(bench.rig.vendor.calls) == 1
    second.stop()
    await bench.tasks[1]


@pytest.mark.parametrize("bench", [Spinning], indirect=True)
async def test_what_is_left_behind_is_interrupted_and_takes_nothing_from_the_others_any_more(bench: Bench) -> None:
    await bench.hold()
    bench.runner.stop()
    await bench.tasks[0]
    assert await comes_true(bench.rig, lambda: not bench.thread.is_alive())


async def test_a_command_that_was_refused_is_not_carried_out_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.hold()
    monkeypatch.setattr(thread_runner, "ASK_S", 0.05)
    with pytest.raises(CommandRefused, match="a hook of its plugin holds it"):
        await bench.runner.pause()
    monkeypatch.setattr(thread_runner, "ASK_S", HANG_S)
    bench.plugin.gate.set()
    assert await comes_true(bench.rig, lambda: len(bench.rig.vendor.calls) == 1)
    await bench.runner.drop_letters(DeadLetterFilter())
    assert bench.runner.status.state == "running"


async def test_a_command_with_an_end_is_refused_when_it_is_not_done_by_then(bench: Bench) -> None:
    """So that a reload never waits for ever behind one."""

    async def never(worker: object) -> None:
        await asyncio.Event().wait()

    with pytest.raises(CommandRefused, match="not done within"):
        await bench.runner._ask(lambda: never(bench), 0.05)
    await bench.runner.drop_letters(DeadLetterFilter())


class OneLog:
    """A log of which only watching is looked at."""

    def __init__(self) -> None:
        self.watchers: list[Callable[[], None]] = []

    def watch(self, wake: Callable[[], None]) -> None:
        self.watchers.append(wake)


async def test_a_held_thread_gathers_no_wakes() -> None:
    log, woken = OneLog(), []
    held = asyncio.new_event_loop()  # it does not run, as a loop that a hook holds
    port = EventLogFromThread(cast(EventLog, log), asyncio.get_running_loop())

    async def begin() -> None:
        port.watch(lambda: woken.append(1))

    await asyncio.to_thread(held.run_until_complete, begin())
    await asyncio.sleep(0)
    [wake] = log.watchers
    for _ in range(50):
        wake()
    await asyncio.to_thread(held.run_until_complete, asyncio.sleep(0))
    assert len(woken) in (1, 2)  # the first may come before the loop is held
    held.close()
    wake()  # an ended loop is no fault of whoever wakes it
