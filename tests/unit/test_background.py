"""Work beside everything else goes on after a fault, and the log has each one."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from router import background
from router.background import AFTER_FAULT_S, beside
from router.logger import Log, make_log
from router.testing.clock import FakeClock


class Lines:
    """A log, and what it says."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.log: Log = make_log("info", "json", stream=self._stream)

    @property
    def faults(self) -> list[dict[str, Any]]:
        self.log.flush()
        lines = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        return [line for line in lines if line["event"] == "internal_error"]


@pytest.fixture
def lines() -> Lines:
    return Lines()


async def until(is_so: Callable[[], bool]) -> None:
    """The loop has gone round often enough."""
    for _ in range(1_000):
        if is_so():
            return
        await asyncio.sleep(0)
    pytest.fail("it did not come")


async def test_work_that_fails_is_told_of_and_begins_anew_after_a_while(lines: Lines) -> None:
    clock, begun = FakeClock(), 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        raise OSError("no more files")

    async with beside("counting", work, clock, lines.log):
        await until(lambda: len(lines.faults) == 1)
        assert begun == 1
        clock.advance(AFTER_FAULT_S)
        await until(lambda: len(lines.faults) == 2)
    assert begun == 2
    assert (lines.faults[0]["reason"], "OSError: no more files" in lines.faults[0]["detail"]) == ("counting", True)


async def test_a_clock_that_fails_ends_it_and_both_are_told(lines: Lines) -> None:
    class Broken(FakeClock):
        async def sleep(self, seconds: float) -> None:
            raise OverflowError("a wait without end")

    clock = Broken()
    async with beside("notify", lambda: clock.sleep(1), clock, lines.log):
        await until(lambda: len(lines.faults) == 2)


async def test_what_is_being_written_is_not_cut_and_the_last_write_follows_it(lines: Lines) -> None:
    writing, may_end = asyncio.Lock(), asyncio.Event()
    done: list[str] = []

    async def work() -> None:
        async with writing:
            await may_end.wait()
            done.append("write")
        await asyncio.Event().wait()

    async def last() -> None:
        done.append("last")

    async def leave() -> None:
        async with beside("counting", work, FakeClock(), lines.log, writing=writing, last=last):
            await until(writing.locked)

    leaving = asyncio.create_task(leave())
    await until(writing.locked)
    may_end.set()
    await leaving
    assert done == ["write", "last"]


@pytest.mark.parametrize("last", [None, "fails"])
async def test_the_work_has_ended_behind_it_also_where_the_last_write_fails(lines: Lines, last: str | None) -> None:
    ended = False

    async def work() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    async def failing() -> None:
        raise ValueError(last)

    final: Callable[[], Awaitable[None]] | None = failing if last else None
    async with beside("counting", work, FakeClock(), lines.log, last=final):
        await asyncio.sleep(0)
    assert ended
    assert len(lines.faults) == (1 if last else 0)


async def test_the_work_has_ended_behind_it_also_where_who_leaves_is_cancelled_again_in_the_last_write(
    lines: Lines,
) -> None:
    writing, ended = asyncio.Lock(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def leave() -> None:
        async with beside("counting", work, FakeClock(), lines.log, writing=writing):
            await asyncio.Event().wait()

    leaving = asyncio.create_task(leave())
    await asyncio.sleep(0)
    async with writing:  # somebody else's write
        leaving.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait({leaving})
    assert ended.is_set()


async def test_a_write_that_takes_too_long_is_given_up_and_the_work_has_ended(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "LAST_WRITE_S", 0.0)
    done: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            done.append("work")

    async def last() -> None:
        await asyncio.Event().wait()
        done.append("last")

    async with beside("counting", work, FakeClock(), lines.log, last=last):
        await asyncio.sleep(0)
    assert (done, lines.faults) == (["work"], [])
