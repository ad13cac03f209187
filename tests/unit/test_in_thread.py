"""Work beside the event loop has a thread of its own, which ends with it."""

from __future__ import annotations

import asyncio
import sys
import threading
from functools import partial

import pytest

from router.in_thread import MOST, in_thread


class Desk:
    """Work that goes on until it is let go, and counts how many do it at a time."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.all_begun = threading.Barrier(MOST + 1)
        self.counting = threading.Lock()
        self.at_work = self.most = 0

    def work(self) -> None:
        with self.counting:
            self.at_work += 1
            self.most = max(self.most, self.at_work)
        if not self.may_end.is_set():
            self.all_begun.wait()
        self.may_end.wait()
        with self.counting:
            self.at_work -= 1


async def test_who_asks_beyond_the_most_threads_for_the_same_work_waits_and_all_get_their_turn() -> None:
    desk = Desk()
    asking = [asyncio.create_task(in_thread(desk.work)) for _ in range(5 * MOST)]
    await in_thread(desk.all_begun.wait)
    assert desk.at_work == MOST
    desk.may_end.set()
    await asyncio.gather(*asking)
    assert desk.most == MOST


async def test_work_that_hangs_holds_up_no_other_work_and_its_threads_count_after_who_asked_has_left() -> None:
    desk = Desk()
    asking = [asyncio.create_task(in_thread(desk.work)) for _ in range(MOST)]
    await in_thread(desk.all_begun.wait)
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    late = asyncio.create_task(in_thread(desk.work))
    assert await in_thread(divmod, 7, 2) == (3, 1)
    assert (desk.at_work, late.done()) == (MOST, False)
    desk.may_end.set()
    await late
    assert desk.most == MOST


async def test_no_thread_is_left() -> None:
    mine = await in_thread(threading.current_thread)
    mine.join()
    assert mine not in threading.enumerate()


async def test_a_result_and_an_error_come_back() -> None:
    assert await in_thread(divmod, 7, 2) == (3, 1)
    assert await in_thread(int, "11", base=2) == 3
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)


async def test_an_exit_in_the_thread_is_an_error_for_who_asked() -> None:
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        await in_thread(partial(sys.exit, 3))


async def test_who_is_cancelled_waits_no_longer_and_nothing_is_said() -> None:
    may_end = threading.Event()
    waits = asyncio.create_task(in_thread(may_end.wait))
    await asyncio.sleep(0)
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    may_end.set()
