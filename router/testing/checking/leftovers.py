"""What a life leaves behind: tasks and timers, once it has ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from router.testing.checking.life import open_life
from router.testing.checking.loops import KitLoop, rounds
from router.testing.checking.standard_answers import ANSWERS

if TYPE_CHECKING:
    from router.testing.checking.subject import Subject

__all__ = ["left_by_a_life"]

SOME = ("204", "500", "a reset", "garbage")


async def left_by_a_life(subject: Subject, loop: KitLoop) -> list[str]:
    """Open, send, close. Returns the names of the tasks and timers that are still there."""
    async with open_life(subject, loop) as life:
        for items in subject.samples.values():
            await life.deliver(items[:1])
            for name in SOME:
                await life.deliver(items[:1], ANSWERS[name](1))
    await rounds(50)
    left = asyncio.all_tasks(loop) - {loop.main}
    names = [f"the task {task.get_name()} ({getattr(task.get_coro(), '__qualname__', '')})" for task in left]
    return [*names, *(f"a timer of {name}" for name in loop.timers)]
