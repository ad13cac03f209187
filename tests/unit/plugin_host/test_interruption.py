"""Code that never returns is interrupted where nobody waits for it, and whatever its thread does afterwards is not."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn, cast

import pytest

from router.plugin_host.interruption import AGAIN_S, TRIES, HookInterrupted, Interruptible, go_on
from tests.patience import HANG_S


def begun(do: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    return thread


def spin(entered: threading.Event) -> NoReturn:
    entered.set()
    while True:
        pass


def test_a_loop_without_end_ends_by_an_interrupt() -> None:
    entered, fault = threading.Event(), list[BaseException]()
    work = Interruptible(lambda: spin(entered))

    def run() -> None:
        try:
            work()
        except HookInterrupted as error:
            fault.append(error)

    thread = begun(run)
    assert entered.wait(HANG_S)
    assert work.interrupt()
    thread.join(HANG_S)
    assert (len(fault), work.interrupt()) == (1, False)


class Impatient:
    """A loop whose timers are over at once."""

    def __init__(self) -> None:
        self.waits = list[float]()
        self.calls = deque[Callable[[], None]]()

    def call_later(self, seconds: float, call: Callable[..., None], *given: Any) -> None:
        self.waits.append(seconds)
        self.calls.append(lambda: call(*given))


def test_code_that_catches_every_interrupt_is_let_be_after_so_many() -> None:
    entered, let_go, caught = threading.Event(), threading.Event(), list[int]()

    def stubborn() -> None:
        while not let_go.is_set():
            try:
                spin(entered)
            except HookInterrupted:
                caught.append(1)

    thread = begun(work := Interruptible(stubborn))
    assert entered.wait(HANG_S)
    work.cut(cast(asyncio.AbstractEventLoop, loop := Impatient()))
    while loop.calls:
        loop.calls.popleft()()
    assert (work.interrupts, set(loop.waits)) == (TRIES, {AGAIN_S})
    let_go.set()
    assert work.interrupt(), "it is still in its loop"
    thread.join(HANG_S)
    assert caught


def wait_until_it_rests(thread: threading.Thread) -> None:
    assert thread.ident is not None
    clock, used_s = time.pthread_getcpuclockid(thread.ident), -1.0
    while (now_s := time.clock_gettime(clock)) > used_s:
        used_s = now_s
        threading.Event().wait(0.05)


def test_code_that_waits_without_an_end_is_interrupted_once_it_goes_on() -> None:
    waits, go, fault = threading.Event(), threading.Event(), list[BaseException]()

    def wait() -> None:
        waits.set()
        go.wait()
        spin(waits)

    def run() -> None:
        try:
            work()
        except HookInterrupted as error:
            fault.append(error)

    work, loop = Interruptible(wait), Impatient()
    thread = begun(run)
    assert waits.wait(HANG_S)
    wait_until_it_rests(thread)
    work.cut(cast(asyncio.AbstractEventLoop, loop))
    for _ in range(100):
        loop.calls.popleft()()
    assert work.interrupts == 0
    go.set()
    while thread.is_alive():
        loop.calls.popleft()()
    assert len(fault) == 1


def test_a_thread_that_has_gone_on_to_other_work_is_never_interrupted() -> None:
    done, hit, stop = threading.Event(), list[BaseException](), threading.Event()
    first = Interruptible(lambda: "done")

    def run() -> None:
        try:
            first()
            done.set()
            while not stop.is_set():
                pass
        except HookInterrupted as error:
            hit.append(error)

    thread = begun(run)
    assert done.wait(HANG_S)
    assert [first.interrupt() for _ in range(1_000)] == [False] * 1_000
    stop.set()
    thread.join(HANG_S)
    assert (hit, first.interrupts) == ([], 0)


@pytest.mark.parametrize("turns", [0, 50, 1_000])
def test_an_interrupt_at_the_very_end_of_the_work_hits_it_or_nothing(turns: int) -> None:
    """Hundreds of races: what comes of each work is its answer or the interrupt, and what its thread does next is not hit."""
    races = [Race(turns) for _ in range(300)]
    for race in races:
        race.run()
    assert {race.came[0] for race in races} <= {"done", "interrupted"}
    assert {race.came[1] for race in races} == {"gone on"}


class Race:
    """Short work that is interrupted as soon as it has begun. `came`: what came of it, and of what its thread did next."""

    def __init__(self, turns: int) -> None:
        self.turns, self.begins, self.came = turns, threading.Event(), list[str]()
        self.work = Interruptible(self._do)

    def run(self) -> None:
        thread = begun(self._live)
        assert self.begins.wait(HANG_S)
        self.work.interrupt()
        thread.join(HANG_S)

    def _live(self) -> None:
        try:
            answer = self.work()
        except HookInterrupted:
            answer = "interrupted"
        self.came.append(answer)
        for _ in range(100):
            self.came.sort()
        self.came.append("gone on")

    def _do(self) -> str:
        self.begins.set()
        for _ in range(self.turns):
            pass
        return "done"


TRACED = """
import sys
from router.plugin_host.interruption import Interruptible

def begin(): print("begun")

print(Interruptible(lambda: "done")())
sys.settrace(lambda *given: None)
begin()
"""


def test_after_work_that_nobody_interrupted_a_traced_function_begins() -> None:
    """Python looks for something to raise no more: it would never come to the first line of such a function."""
    process = subprocess.run([sys.executable, "-c", TRACED], capture_output=True, text=True, timeout=HANG_S, check=True)
    assert process.stdout.split() == ["done", "begun"]


LOOP = "inside.append(1)\nwhile not let_go: pass"
"""Calls nothing, so that the innermost code is this, as it is a line of the library's own while that has the lock."""


def test_code_that_holds_a_lock_of_all_is_spared_until_it_has_let_it_go() -> None:
    inside, let_go, ended = list[int](), list[int](), list[int]()

    class Slow(logging.Handler):
        """Writes a line for as long as the test says, under the lock that all have who log."""

        def emit(self, record: logging.LogRecord) -> None:
            exec(LOOP, {"__name__": "logging.handlers", "let_go": let_go, "inside": inside})

    def work() -> None:
        log = logging.Logger("held")
        log.addHandler(Slow())
        log.warning("a line")
        ended.append(1)

    thread = begun(interruptible := Interruptible(work))
    while not inside:
        thread.join(0.001)
    assert [interruptible.interrupt() for _ in range(100)] == [True] * 100
    let_go.append(1)
    thread.join(HANG_S)
    assert (interruptible.interrupts, ended) == (0, [1])


def test_what_is_left_of_work_that_was_interrupted_ends_where_it_asks() -> None:
    go_on()  # no work of this kind
    entered, asked = threading.Event(), list[str]()

    def work() -> None:
        try:
            spin(entered)
        except HookInterrupted:
            asked.append("first")
        go_on()
        asked.append("second")

    def run() -> None:
        with pytest.raises(HookInterrupted):
            interruptible()
        go_on()  # the thread is free again
        asked.append("after")

    interruptible = Interruptible(work)
    thread = begun(run)
    assert entered.wait(HANG_S)
    interruptible.interrupt()
    thread.join(HANG_S)
    assert asked == ["first", "after"]
