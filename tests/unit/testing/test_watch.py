"""What the conformance checks see of code while it runs, and what they keep it from."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from router.testing.checking import loops
from router.testing.checking.loops import KitLoop, finished, run
from router.testing.checking.mapping_runs import EVERYTHING
from router.testing.checking.watch import Use, Watch


def uses_of(work: Callable[[], object]) -> list[Use]:
    watch = Watch(__name__, EVERYTHING)
    with watch:
        work()
    return watch.uses


@pytest.mark.parametrize(
    ("work", "kind"),
    [
        (lambda: time.time(), "clock"),
        (lambda: datetime.now(UTC), "clock"),
        (lambda: os.urandom(1), "chance"),
        (lambda: hash("text"), "hash"),
        (lambda: os.listdir(os.curdir), "io"),
        (lambda: time.sleep(3600), "wait"),
        (lambda: threading.Thread(target=int).start(), "start"),
        (lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN), "process"),
    ],
)
def test_what_code_does_is_named_with_its_place(work: Callable[[], object], kind: str) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    found = uses_of(work)
    assert kind in {use.kind for use in found}
    assert {use.where.partition(":")[0] for use in found} == {"test_watch.py"}
    assert signal.getsignal(signal.SIGTERM) == handler


def test_pure_code_does_nothing_of_it() -> None:
    assert uses_of(lambda: datetime.fromisoformat("2026-03-02").isoformat().encode()) == []


def test_an_import_is_nothing_that_code_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_later.py").write_text("VALUE = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert uses_of(lambda: importlib.import_module("imported_later")) == []


@pytest.mark.parametrize(
    "work",
    [
        lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
        lambda: Path("never-there.txt").write_text(""),
        lambda: subprocess.run(["true"], check=False),
        lambda: os._exit(0),
        lambda: os.kill(os.getpid(), signal.SIGTERM),
    ],
)
def test_what_reaches_outside_is_refused(work: Callable[[], object]) -> None:
    watch = Watch(__name__, EVERYTHING)
    with watch, pytest.raises(OSError, match="refused by the conformance checks"):
        work()
    assert watch.refusals


def test_nothing_is_watched_or_replaced_afterwards() -> None:
    sleep, profile = time.sleep, sys.getprofile()
    with Watch(__name__, EVERYTHING):
        assert time.sleep is not sleep
    assert (time.sleep, sys.getprofile()) == (sleep, profile)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        socket.create_connection(listening.getsockname()).close()


def test_nothing_traces_what_is_timed() -> None:
    before = sys.gettrace()
    tracing: list[object] = []
    sys.settrace(lambda frame, event, argument: None)
    tracer = sys.gettrace()
    try:
        with Watch(__name__, EVERYTHING, profile=False):
            tracing.append(sys.gettrace())
        tracing.append(sys.gettrace())
    finally:
        sys.settrace(before)
    assert tracing == [None, tracer]


def test_no_watch_around_it_profiles_what_is_timed() -> None:
    with Watch(__name__, EVERYTHING):
        around = sys.getprofile()
        with Watch(__name__, EVERYTHING, profile=False):
            within = sys.getprofile()
        assert (within, sys.getprofile()) == (None, around)


# ---------------------------------------------------------------- the loop


def test_hours_pass_at_once() -> None:
    async def main(loop: KitLoop) -> float:
        began = loop.time()
        await asyncio.sleep(3600)
        waiting = asyncio.create_task(asyncio.wait_for(asyncio.Event().wait(), 3600))
        await asyncio.sleep(0)
        loop.pass_time(3601)
        with pytest.raises(TimeoutError):
            await waiting
        return loop.time() - began

    assert 3601 <= run(main) < 7200


def test_nobody_but_its_main_task_ends_it() -> None:
    async def main(loop: KitLoop) -> str:
        loop.stop()

        async def leave() -> None:
            sys.exit(3)

        task = asyncio.create_task(leave())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert task.done()
        return ", ".join(loop.touched)

    assert run(main) == f"loop.stop() at test_watch.py:{main_line()}, a task that raised SystemExit"


def main_line() -> int:
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(source, 1) if line.strip() == "loop.stop()")


def test_a_task_that_swallows_its_cancellation_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "END_S", 0.05)
    monkeypatch.setattr(loops, "PATIENCE_S", 0.05)

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def main(loop: KitLoop) -> bool:
        return (await finished(stubborn())).done()

    assert run(main) is False
