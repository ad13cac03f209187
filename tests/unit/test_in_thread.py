"""Work beside the event loop has a thread of its own, which ends with it."""

from __future__ import annotations

import asyncio
import sys
import threading
from functools import partial

import pytest

from router.in_thread import in_thread


async def test_as_many_as_ask_work_at_the_same_time() -> None:
    all_work = threading.Barrier(50)
    await asyncio.gather(*[in_thread(all_work.wait) for _ in range(50)])


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
