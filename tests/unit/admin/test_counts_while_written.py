"""The counts of a plot, read while they are written to the store: each is counted once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.admin.plots import Plots
from router.counts import Counted, Counts
from router.testing.clock import START_MS

HOOK, MINUTE = Counted("destination", "hook"), 60_000


class Store:
    """Counts that are in the store, those that are not yet, and a read that waits to be let go."""

    def __init__(self) -> None:
        self.written: list[tuple[int, Counted, Counts]] = []
        self.at, self.fresh = START_MS - START_MS % MINUTE, {HOOK: Counts({"delivered": 5})}
        self.asked, self.may_answer = 0, asyncio.Event()

    async def buckets(self, *_: Any) -> list[tuple[int, Counted, Counts]]:
        self.asked += 1
        found = list(self.written)
        await self.may_answer.wait()
        return found

    def write(self) -> None:
        """What was not in the store is there now."""
        self.written.append((self.at, HOOK, self.fresh[HOOK]))
        self.at, self.fresh = self.at + MINUTE, {}


def plots_of(store: Store) -> Plots:
    runner = SimpleNamespace(destination=SimpleNamespace(name="hook"))
    daemon = SimpleNamespace(
        now_ms=START_MS + MINUTE,
        runners={"hook": runner},
        store=SimpleNamespace(counters=store),
        unwritten_counts=lambda: (store.at, store.fresh),
    )
    return Plots(cast(DaemonPort, daemon), Answers(cast(DaemonPort, daemon)))


def delivered(found: dict[str, Any]) -> int:
    return sum(n or 0 for n in found["columns"]["delivered"])


async def test_counts_that_are_written_during_a_read_are_neither_lost_nor_counted_twice() -> None:
    store = Store()
    plots = plots_of(store)
    reading = asyncio.create_task(plots.series("hook", "1h"))
    while not store.asked:  # noqa: ASYNC110 - the read has begun
        await asyncio.sleep(0)
    store.write()
    store.may_answer.set()
    assert delivered(await reading) == 5
    assert delivered(await plots.series("hook", "1h")) == 5, "nothing older is kept for this minute"


async def test_the_store_is_asked_once_a_minute() -> None:
    store = Store()
    store.may_answer.set()
    plots = plots_of(store)
    for _ in range(3):
        assert delivered(await plots.series("hook", "1h")) == 5
    assert store.asked == 1
