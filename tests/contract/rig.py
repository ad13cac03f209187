"""A rig for one destination: the real store on a real file, the real worker, a clock that tests move, a scripted vendor."""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from router.accept import Acceptor
from router.config import DestinationConfig
from router.deliver.runner import Runner
from router.destinations import Destination, Redactor
from router.destinations.contract import bind, check_facts
from router.destinations.mapping import compile_mapping
from router.event import Call
from router.plugin import (
    API_VERSION,
    Batch,
    Context,
    Delivered,
    Event,
    Group,
    Item,
    Outcome,
    Sender,
    Settings,
    UserId,
    hookimpl,
)
from router.store.sqlite import SqliteStore, open_store
from router.telemetry import Log, make_log

START_MS = 1_767_000_000_000
SHORT_S = 0.05
"""Waits up to this pass by themselves: pauses between commits, not waits of the story."""


class FakeClock:
    """Stands still until `advance`."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.ms = now_ms
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        if seconds <= SHORT_S:
            await asyncio.sleep(0)
            return
        waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self.ms + int(seconds * 1000), self._count, waker))
        await waker

    def advance(self, seconds: float) -> None:
        """Let time pass; wakes whoever waited for less."""
        self.ms += int(seconds * 1000)
        while self._sleepers and self._sleepers[0][0] <= self.ms:
            waker = heapq.heappop(self._sleepers)[2]
            if not waker.done():
                waker.set_result(None)


class Vendor:
    """What arrived, in order; `answer(bodies)` says what becomes of it (default: all delivered)."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.calls: list[list[dict[str, Any]]] = []
        self.answer: Callable[[list[dict[str, Any]]], Any] = lambda bodies: Delivered()

    async def take(self, items: list[Item]) -> Outcome | list[Outcome]:
        bodies = [item.body for item in items]
        self.calls.append(bodies)
        result = self.answer(bodies)
        if asyncio.iscoroutine(result):
            result = await result
        outcomes = list(result) if isinstance(result, list) else [result] * len(bodies)
        for body, outcome in zip(bodies, outcomes, strict=True):
            if isinstance(outcome, Delivered):
                self.received.append(body)
        if isinstance(result, Exception):
            raise result
        return result

    def ids(self) -> list[str]:
        """Message ids received, in order."""
        return [body["m"] for body in self.received]


def line(event: Event, context: Context) -> Item:
    """What the test plugins send for any event."""
    group = context.group
    return Item(
        {
            "m": event.message_id,
            "type": event.type,
            "user": event.user_id,
            "group": group.id if group else None,
            "name": group.traits.get("name") if group else None,
        }
    )


class Plain:
    """Sends every call as it comes."""

    display_names = ("Plain",)
    settings_model = Settings
    requires: ClassVar[Mapping[str, tuple[UserId | Group, ...]]] = {}
    kinds: ClassVar[Mapping[str, Batch]] = {"": Batch()}
    vendor: Vendor

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @hookimpl
    def identify(self, event: Event, context: Context) -> Item:
        return line(event, context)

    @hookimpl
    def group(self, event: Event, context: Context) -> Item:
        return line(event, context)

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        return line(event, context)

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome | list[Outcome]:
        return await self.vendor.take(items)


class Gated(Plain):
    """Needs a group with a name before it takes a track."""

    requires: ClassVar[Mapping[str, tuple[UserId | Group, ...]]] = {"track": (Group("id", "name"),)}


class Packing(Gated):
    """The same, four items a request."""

    kinds: ClassVar[Mapping[str, Batch]] = {"": Batch(max_items=4)}


def destination(plugin: type[Any], vendor: Vendor, name: str = "d", **tables: Any) -> Destination:
    """A Destination around a plugin class; `tables` go into its config table."""
    config = DestinationConfig.model_validate({"name": name, "plugin": "test", "mode": "live", **tables})
    instance = plugin(plugin.settings_model())
    instance.vendor = vendor
    check_facts(instance)
    return Destination(
        name=name,
        plugin_name="test",
        plugin_version="",
        api_version=API_VERSION,
        item_version=getattr(plugin, "item_version", 1),
        config=config,
        instance=instance,
        settings=instance.settings,
        secrets=(),
        names=frozenset({name, *(n.lower() for n in plugin.display_names)}),
        requires=instance.requires,
        kinds=instance.kinds,
        hooks=bind(instance, name),
        redactor=Redactor(()),
        mapping=compile_mapping(config.mapping, instance.requires),
    )


class Rig:
    """One store, one destination, and what a test does with them."""

    def __init__(self, store: SqliteStore, clock: FakeClock, log: Log, seed: int = 1) -> None:
        self.store, self.clock, self.log = store, clock, log
        self.random = Random(seed)
        self.vendor = Vendor()
        self.acceptor = Acceptor(store, log)
        self.runner: Runner
        self._task: asyncio.Task[None] | None = None

    async def call(self, type: str, message_id: str, **fields: Any) -> None:
        """Accept one call."""
        await self.accept([self.make(type, message_id, **fields)])

    async def accept(self, calls: list[Call]) -> None:
        """Accept calls in one go."""
        await self.acceptor.accept(calls, [])

    def make(self, type: str, message_id: str, **fields: Any) -> Call:
        """A call as ingestion would hand it over."""
        user, anonymous, group = (fields.get(k) for k in ("userId", "anonymousId", "groupId"))
        key = f"u:{user}" if user else f"a:{anonymous}" if anonymous else f"g:{group}"
        body = b"{}\n" + json.dumps({"type": type, "messageId": message_id, **fields}).encode()
        return Call("website", type, message_id, key, self.clock.now_ms(), body)

    def start(self, plugin: type[Any] = Gated, **tables: Any) -> None:
        """Run the destination."""
        self.runner = Runner(destination(plugin, self.vendor, **tables), self.store, self.clock, self.log, self.random)
        self._task = asyncio.create_task(self.runner.run())

    async def crash(self) -> None:
        """Take the worker away in the middle of whatever it does; what it did not commit is lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def stop(self) -> None:
        """End the worker in good order."""
        if self._task is not None:
            self.runner.stop()
            await self._task
            self._task = None

    async def quiet(self) -> dict[str, Any]:
        """Wait until nothing moves without time passing; returns the destination's ledger."""
        still, before = 0, ()
        while still < 5:
            if self._task is not None and self._task.done():
                self._task.result()
            for _ in range(20):
                await asyncio.sleep(0)
            await asyncio.sleep(0.002)  # the store's threads are real
            ledger = (await self.store.questions.ledger(["d"]))["destinations"].get("d", {})
            now = (tuple(ledger.values()), len(self.vendor.calls), self._busy())
            if now[-1]:
                before = ()
                continue
            still, before = (still + 1, now) if now == before else (0, now)
        return ledger

    def _busy(self) -> bool:
        """Whether the worker is in the middle of something."""
        worker = getattr(self, "runner", None) and self.runner._worker
        if self._task is None:
            return False
        if worker is None:
            return True
        ready = worker._ready._live or worker._ready._draining
        if worker.flow.running and (self.store.head > worker.book.read_pos or ready):
            return True
        return not worker.book.empty or bool(worker.book.unstored()[:-1]) or worker.settlement.outbox.in_flight > 0

    async def vendor_moves(self) -> None:
        """Let the loop run a little."""
        await asyncio.sleep(0.001)

    async def pass_time(self, seconds: float, step: float = 5.0) -> dict[str, Any]:
        """Let time pass in steps, each worked off."""
        ledger = await self.quiet()
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
            ledger = await self.quiet()
        return ledger

    async def fate(self, message_id: str) -> tuple[str, str]:
        """(state, reason) of a message at the destination."""
        answer = await self.store.questions.message(message_id, None, ["d"])
        assert answer is not None
        fate = answer["destinations"]["d"]
        return fate["state"], fate["reason"]


@asynccontextmanager
async def open_rig(folder: Path, seed: int = 1) -> AsyncIterator[Rig]:
    """A rig on a store in this folder; opening the same folder again is a restart."""
    clock = FakeClock()

    def clock_from(mark: int) -> FakeClock:
        clock.ms = max(clock.ms, mark)
        return clock

    log = make_log("error", "json", clock=clock)
    async with open_store(folder / "router.db", clock_from, dedupe_window_s=86_400, min_free_bytes=0) as (store, _):
        rig = Rig(store, clock, log, seed)
        try:
            yield rig
        finally:
            await rig.crash()
