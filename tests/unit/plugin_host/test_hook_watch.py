"""Hooks that hold the loop are counted, told of, and end a slice."""

from __future__ import annotations

from typing import Any

import pytest

from router.plugin_host import hook_watch
from router.plugin_host.hook_watch import MOST_EVENTS, HookWatch, PassSize, Slow, hook_of, task_name


class Bench:
    """A watch whose time stands still unless it is told otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.waited = 1_000.0, 50.0
        self.lines: list[dict[str, Any]] = []
        self.told: list[Slow] = []
        monkeypatch.setattr(hook_watch, "perf_counter", lambda: self.now)
        monkeypatch.setattr(hook_watch, "waited_s", lambda: self.waited)
        self.watch = HookWatch()
        self.watch.attach(lambda event, **fields: self.lines.append({"event": event, **fields}), self.told.append)

    def call(self, seconds: float, message_id: str = "m1", *, without_processor: float = 0.0) -> None:
        """A mapping hook that takes so long, of which its thread was ready to run for some time and got no processor."""
        self.watch.begin("track", message_id)
        self.starve(without_processor)
        self.now += seconds - without_processor
        self.watch.end()

    def starve(self, seconds: float) -> None:
        """The machine runs something else."""
        self.now += seconds
        self.waited += seconds


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_a_quick_hook_is_not_told_of(bench: Bench) -> None:
    bench.call(0.099)
    assert (bench.lines, bench.watch.describe()) == ([], {})


def test_a_slow_hook_is_named_with_its_event(bench: Bench) -> None:
    bench.call(0.25, "m7")
    assert bench.lines == [{"event": "plugin_slow", "hook": "track", "message_id": "m7", "seconds": 0.25, "count": 1}]
    assert bench.watch.describe() == {"track": {"count": 1, "longest_s": 0.25, "last_message_id": "m7"}}


def test_a_hook_is_not_blamed_for_the_time_in_which_its_machine_had_no_processor_for_it(bench: Bench) -> None:
    for _ in range(20):
        bench.call(3.0, without_processor=2.95)
    assert (bench.lines, bench.told, bench.watch.describe()) == ([], [], {})


def test_a_hook_that_sleeps_is_blamed_on_a_busy_machine_too(bench: Bench) -> None:
    """It uses no processor, and waits for none."""
    bench.call(2.0, without_processor=0.5)
    assert [(line["hook"], line["seconds"]) for line in bench.lines] == [("track", 1.5)]


def test_what_the_thread_waited_before_a_hook_is_no_part_of_it(bench: Bench) -> None:
    bench.call(0.001)
    bench.starve(5.0)
    bench.call(0.25)
    assert [line["seconds"] for line in bench.lines] == [0.25]


def test_it_is_told_of_once_a_minute_and_counted_each_time(bench: Bench) -> None:
    for _ in range(3):
        bench.call(0.2)
    bench.now += 60
    bench.call(0.2)
    assert [line["count"] for line in bench.lines] == [1, 4]


def test_five_held_loops_in_a_minute_are_too_many(bench: Bench) -> None:
    for _ in range(4):
        bench.call(0.2)
    assert bench.told == []
    bench.call(0.2)
    assert bench.told == [Slow("track", "hook track held the event loop, the 5th time within 60 s", holds_all=False)]


@pytest.mark.parametrize("holds_all", [False, True])
def test_one_that_had_to_be_interrupted_is_too_many(bench: Bench, holds_all: bool) -> None:
    bench.watch.begin("track", "m1")
    bench.now += 30
    bench.watch.interrupted(holds_all=holds_all)
    bench.watch.end()
    bench.call(0.2)
    assert bench.told == [Slow("track", "hook track held the event loop for 30 s", holds_all)]


def test_five_in_a_long_time_are_not(bench: Bench) -> None:
    for _ in range(8):
        bench.call(0.2)
        bench.now += 20
    assert bench.told == []


def test_a_slice_is_over_when_hooks_took_20_ms_of_it(bench: Bench) -> None:
    bench.call(0.011)
    assert not bench.watch.is_over
    bench.call(0.011)
    assert bench.watch.is_over
    bench.watch.start_slice()
    assert not bench.watch.is_over


def test_a_pass_grows_to_its_bound_while_mapping_is_quick() -> None:
    size = PassSize()
    size.ended(1, is_over=True)
    for _ in range(10):
        size.ended(size.events, is_over=False)
    assert size.events == MOST_EVENTS


def test_a_pass_takes_what_the_last_slice_was_enough_for() -> None:
    size = PassSize()
    size.ended(3, is_over=True)
    assert size.events == 3
    size.ended(0, is_over=True)
    assert size.events == 1


def test_a_task_is_known_by_its_name() -> None:
    assert hook_of(task_name("deliver", "crm", "a b")) == ("deliver", "crm", "a b")
    assert hook_of(task_name("lifetime", "crm")) == ("lifetime", "crm", "")
    assert hook_of("Task-7") is None
    assert hook_of("some other task") is None
