"""Deliveries that hang: cancelled, two at once, or with several requests under way."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from router.plugin import Item, Outcome
from router.plugin_host.fault_place import said_by
from router.testing.checking.answered_deliveries import READING
from router.testing.checking.life import Life
from router.testing.checking.loops import finished, rounds
from router.testing.checking.same_request import what_is_sent
from router.testing.replies import Answers, Hang, Received, Reply, answer_to

__all__ = ["both_at_once", "cancelled", "most_at_once", "spared"]

HANGING_ROUNDS = 200


def hanging(good: Answers, first: int = 0) -> Answers:
    """Successes that come only when they are released, from this request on."""
    asked = itertools.count()

    def answer(seen: Received) -> Reply:
        reply = answer_to(seen, good)
        if next(asked) < first:
            return reply
        return Hang(reply.status, reply.json, reply.body, reply.headers)

    return answer


def _hang(life: Life, first: int = 0) -> None:
    life.vendor.hangs, life.vendor.answer = True, hanging(life.subject.good, first)


async def _until_waiting(life: Life, *tasks: asyncio.Task[Any]) -> None:
    """Return once the first request waits for its answer; of what sends no request, after some rounds."""
    for _ in range(HANGING_ROUNDS):
        await asyncio.sleep(0)
        if life.vendor.waiting and not any(task.done() for task in tasks):
            break
    await rounds()


async def cancelled(life: Life, items: list[Item], at: int, *, is_last: bool) -> str:
    """Cancel a delivery while it waits for the answer to this request, counted from 0. Returns what is wrong with what came.

    Args:
        is_last: the request carries the items. One before it may go on: others wait for a token, too.
    """
    _hang(life, at)
    task = asyncio.create_task(life.raw_deliver(items))
    await _until_waiting(life, task)
    if task.done():
        return ""
    task.cancel()
    await finished(task)
    if not task.done():
        return "it went on"
    if task.cancelled():
        await rounds()
        return "its request went on" if is_last and life.vendor.waiting else ""
    error = task.exception()
    return f"it raised {type(error).__name__}" if error is not None else "it returned an outcome"


async def spared(life: Life, first: list[Item], second: list[Item]) -> str:
    """Cancel one of two deliveries that wait. Returns what is wrong with the other one."""
    _hang(life)
    tasks = [asyncio.create_task(life.raw_deliver(items)) for items in (first, second)]
    await _until_waiting(life, *tasks)
    tasks[0].cancel()
    await finished(tasks[0])
    await rounds()
    life.vendor.release()
    other = await finished(tasks[1])
    if not other.done():
        return "it never ended"
    if other.cancelled():
        return "it was cancelled, too"
    error = other.exception()
    return (
        f"it raised {type(error).__name__}: {said_by(error)}"
        if error is not None and not isinstance(error, Outcome)
        else ""
    )


@dataclasses.dataclass
class AtOnce:
    """What two deliveries sent that ran at once."""

    sent: set[tuple[str, str, bytes]]
    results: list[Any]  #: what each returned or raised


async def both_at_once(life: Life, first: list[Item], second: list[Item]) -> AtOnce:
    """Send both at once; the answers come when both wait for one, the first one last."""
    _hang(life)
    tasks = [asyncio.create_task(life.raw_deliver(items)) for items in (first, second)]
    await _until_waiting(life, *tasks)
    life.vendor.release()
    for task in tasks:
        await finished(task)
    results = [_result(task) for task in tasks]
    return AtOnce(set(map(what_is_sent, life.vendor.requests)), results)


def _result(task: asyncio.Task[Any]) -> Any:
    if not task.done():
        task.cancel()
        return "it never ended"
    if task.cancelled():
        return "it was cancelled"
    return task.exception() or task.result()


async def most_at_once(life: Life, item: Item) -> int:
    """How many requests for one item to one host wait for their answers at the same time, of those that do more than read and are not
    private. 1 where more follow: they may be parts of something that a last request completes."""
    await life.deliver([item])  # what is asked for once, such as a token, is there from now on
    hosts: Counter[str] = Counter()

    def answer(seen: Received) -> Reply:
        reply = answer_to(seen, life.subject.good)
        if seen.method in READING or seen in life.vendor.private:
            return reply
        hosts[urlsplit(seen.url).netloc] += 1
        return Hang(reply.status, reply.json, reply.body, reply.headers)

    life.vendor.hangs, life.vendor.answer, life.vendor.private = True, answer, []
    task = asyncio.create_task(life.raw_deliver([item]))
    await _until_waiting(life, task)
    most, sent = max(hosts.values(), default=0), hosts.total()
    life.vendor.release()
    await finished(task)
    if not task.done():
        task.cancel()
    return most if hosts.total() == sent else 1
