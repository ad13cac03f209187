"""A hook that holds the loop of all is interrupted; one that catches that ends the process, and is marked before."""

from __future__ import annotations

import inspect
import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.daemon import hook_alarm
from router.daemon.held_marks import HeldMarks
from router.daemon.hook_alarm import Holder, HookAlarm
from router.logger import make_log
from router.plugin_host.hook_watch import Slow
from router.plugin_host.interruption import HookInterrupted
from router.plugin_host.time_budgets import HELD_S
from tests.contract.rig import Plain, Vendor, destination


class Bench:
    """An alarm that rings when a test says so: the timer of the kernel stands still."""

    def __init__(self, folder: Path) -> None:
        self.lines, self.exits = io.StringIO(), list[int]()
        self.marks = HeldMarks(folder / "router.db")
        self.alarm = HookAlarm(
            self.marks, make_log("error", "json", stream=self.lines), self._exit, lambda: self.waited
        )
        self.waited = 0.0
        self.made = destination(Plain, Vendor())
        self.holder: Holder | None = Holder(self.made, "track", "m1")
        self.looked_s = 0.0

    def _exit(self, code: int) -> None:
        self.exits.append(code)

    def ring(self) -> None:
        """SIGALRM, in the middle of whatever runs."""
        self.alarm._ring(signal.SIGALRM, inspect.currentframe())

    def interrupts(self, times: int = 1) -> int:
        """How many of so many rings interrupt the hook."""
        n = 0
        for _ in range(times):
            try:
                self.ring()
            except HookInterrupted:
                n += 1
        return n

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(signal, "setitimer", lambda *args: None)
    bench = Bench(tmp_path)
    with bench.alarm.armed(lambda frame: bench.holder, lambda: bench.looked_s):
        yield bench


def test_the_first_alarm_only_notes_who_holds_the_loop_since_a_frozen_process_gets_it_late(bench: Bench) -> None:
    assert [bench.interrupts(), bench.interrupts()] == [0, 1]


def test_a_hook_is_not_interrupted_for_the_time_in_which_its_machine_had_no_processor_for_it(bench: Bench) -> None:
    bench.waited += 20.0
    assert bench.interrupts(19) == 0
    assert bench.interrupts(3) == 2, "20 s later it has had its time, and the first alarm only notes which hook runs"


def test_a_loop_that_goes_round_between_two_alarms_is_not_held(bench: Bench) -> None:
    bench.ring()
    bench.alarm.wind()
    assert bench.interrupts() == 0


def test_another_event_is_another_hook(bench: Bench) -> None:
    bench.ring()
    bench.holder = Holder(bench.made, "track", "m2")
    assert bench.interrupts() == 0


def test_code_of_the_router_is_never_interrupted(bench: Bench) -> None:
    bench.holder = None
    assert bench.interrupts(20) == 0


def test_an_interrupt_is_logged_once_with_plugin_hook_event_and_stack(bench: Bench) -> None:
    bench.interrupts(4)
    [line] = bench.logged()
    assert (line["destination"], line["plugin"], line["hook"], line["message_id"]) == ("d", "test", "track", "m1")
    assert "in ring" in line["stack"]


@pytest.mark.parametrize(("looked_s", "holds_all"), [(25.0, False), (0.0, True)])
def test_the_watch_of_hooks_is_told_whether_other_threads_could_run(
    bench: Bench, looked_s: float, holds_all: bool
) -> None:
    told: list[Slow] = []
    bench.made.watch.attach(lambda event, **fields: None, told.append)
    bench.looked_s = looked_s
    assert bench.interrupts(2) == 1
    bench.made.watch.held("track", "m1", 30.0, "")
    assert [slow.holds_all for slow in told] == [holds_all]


def test_whether_other_threads_could_run_is_asked_before_an_alarm_lets_them(bench: Bench) -> None:
    told: list[Slow] = []
    bench.made.watch.attach(lambda event, **fields: None, told.append)
    bench.waited += 1.5  # the machine was busy: the first alarm does not count
    assert bench.interrupts() == 0
    bench.looked_s = HELD_S  # they had a turn when it rang
    assert bench.interrupts(2) == 1
    bench.made.watch.held("track", "m1", 30.0, "")
    assert [slow.holds_all for slow in told] == [True]


def test_a_hook_that_catches_every_interrupt_ends_the_process_and_is_marked_before(bench: Bench) -> None:
    assert bench.interrupts(1 + hook_alarm.TRIES) == hook_alarm.TRIES
    assert (bench.exits, bench.marks.of(bench.made)) == ([], None)
    bench.interrupts()
    mark = bench.marks.of(bench.made)
    assert mark is not None
    assert (bench.exits, mark.hook, mark.message_id) == ([1], "track", "m1")


def test_where_no_signal_is_handled_the_thread_that_watches_ends_the_process(bench: Bench) -> None:
    assert bench.holder is not None
    bench.alarm.look(bench.holder, HELD_S + hook_alarm.TRIES * hook_alarm.AGAIN_S, None)
    assert bench.exits == []
    bench.alarm.look(bench.holder, HELD_S + 2 * hook_alarm.TRIES * hook_alarm.AGAIN_S, None)
    assert bench.exits == [1]


def test_a_stop_has_less_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wound: list[float] = []
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds, *more: wound.append(seconds))
    bench = Bench(tmp_path)
    bench.alarm.hurry()
    assert wound == [], "nothing is watched yet"
    with bench.alarm.armed(lambda frame: None, lambda: 0.0):
        bench.alarm.hurry()
        bench.alarm.wind()
    assert wound == [hook_alarm.STOPPING_S] * 3 + [0]
