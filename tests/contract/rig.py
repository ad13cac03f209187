"""A rig for one destination: the real store on a real file, the real worker, a clock that tests move, a scripted vendor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, ClassVar

import pytest

from router.accept import Acceptor
from router.config import DestinationConfig
from router.deliver.runner import Runner
from router.event import Call
from router.logger import Log, make_log
from router.plugin import (
    Answer,
    Batch,
    Context,
    Delivered,
    Event,
    Group,
    Item,
    Outcome,
    Request,
    Sender,
    Settings,
    UserId,
    hookimpl,
    json_request,
)
from router.plugin_host import Destination, build_around
from router.store import CommitBatch
from router.store.postgres.claim import PostgresClaim
from router.store.sqlite.claims import SqliteClaim
from router.testing.clock import START_MS, FakeClock
from router.testing.intake import accept
from router.testing.new_store import lay_new_store
from router.testing.rest import at_rest, is_busy
from tests.contract.simulation import inside
from tests.contract.store_case import StoreCase, open_case
from tests.patience import HANG_S

VENDOR_URL = "http://vendor.test/"
"""Where plugins with a `request` of their own send to; it is answered in memory."""


class Vendor:
    """What arrived, in order; `answer(bodies)` says what becomes of it (default: all delivered)."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.calls: list[list[dict[str, Any]]] = []
        self.told: list[Any] = []  #: what it answered over HTTP, by number
        self.answer: Callable[[list[dict[str, Any]]], Any] = lambda bodies: Delivered()

    async def take(self, items: list[Item]) -> Outcome | list[Outcome]:
        """What `deliver` asks."""
        result = await self._taken([item.body for item in items])
        if isinstance(result, Exception):
            raise result
        return result  # type: ignore[no-any-return]

    async def exchange(self, request: Request) -> Answer:
        """A request over HTTP. The answer is the number of what `verdict` makes of it."""
        result = await self._taken(json.loads(request.body))
        self.told.append(result)
        first = result[0] if isinstance(result, list) and result else result
        word = str(getattr(first, "reason", "")).removeprefix("status_")
        return Answer(int(word) if word.isdecimal() else 200, body=str(len(self.told) - 1).encode())

    def verdict(self, answer: Answer) -> Any:
        """What is to be made of an answer."""
        result = self.told[int(answer.body)]
        if isinstance(result, Exception) and not isinstance(result, Outcome):
            raise result
        return result

    async def _taken(self, bodies: list[dict[str, Any]]) -> Any:
        self.calls.append(bodies)
        result = self.answer(bodies)
        if asyncio.iscoroutine(result):
            result = await result
        outcomes = list(result) if isinstance(result, list) else [result] * len(bodies)
        for body, outcome in zip(bodies, outcomes, strict=True):
            if isinstance(outcome, Delivered):
                self.received.append(body)
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


def over_http(plugin: type[Plain]) -> type[Plain]:
    """The same plugin with `request` and `verdict` in place of `deliver`; one with a `deliver` of its own stays what it is."""

    def request(self: Plain, items: list[Item]) -> Request:
        return json_request(VENDOR_URL, [item.body for item in items])

    def verdict(self: Plain, items: list[Item], answer: Answer) -> Any:
        return self.vendor.verdict(answer)

    if getattr(plugin, "deliver", None) is not Plain.deliver:
        return plugin
    hooks = {"deliver": None, "request": hookimpl(request), "verdict": hookimpl(verdict)}
    return type(plugin.__name__, (plugin,), hooks)


def both_ways(metafunc: pytest.Metafunc) -> None:
    """As `pytest_generate_tests` of a module whose fixture `rig` asks for `over_http`: its tests run with plugins that have
    `deliver`, and with such that have `request` and `verdict`; those with a vendor of their own on the network run once."""
    if "over_http" in metafunc.fixturenames:
        ways = {"deliver": False, "request": True} if "http" not in metafunc.fixturenames else {"deliver": False}
        metafunc.parametrize("over_http", ways.values(), ids=ways)


def destination(
    plugin: type[Any], vendor: Vendor, name: str = "d", *, follow: bool = False, **tables: Any
) -> Destination:
    """A Destination around a plugin class; `tables` go into its config table. `follow`: [consent] follow is on."""
    config = DestinationConfig.model_validate({"name": name, "plugin": "test", "mode": "live", **tables})
    made = build_around(plugin, config, follow=follow)
    made.instance.vendor = vendor  # type: ignore[attr-defined]
    return made


class Rig:
    """One store, one destination, and what a test does with them."""

    def __init__(self, store: StoreCase, clock: FakeClock, log: Log, seed: int = 1) -> None:
        self.store, self.clock, self.log = store, clock, log
        self.random = Random(seed)
        self.vendor = Vendor()
        self.acceptor = Acceptor(store.log, store.people.suppressions, log)
        self.runner: Runner
        self.over_http = False  #: plugins send with `request` and `verdict`
        self.opens_first = False  #: calls wait for a destination that was started: it begins with what comes after that
        self._task: asyncio.Task[None] | None = None

    async def call(self, type: str, message_id: str, **fields: Any) -> None:
        """Accept one call."""
        await self.accept([self.make(type, message_id, **fields)])

    async def accept(self, calls: list[Call]) -> None:
        """Accept calls in one go."""
        if self.opens_first and self._task is not None:
            await self.runner.opened()
        await accept(self.acceptor, calls)

    def make(self, type: str, message_id: str, **fields: Any) -> Call:
        """A call as ingestion would hand it over."""
        user, anonymous, group = (fields.get(k) for k in ("userId", "anonymousId", "groupId"))
        key = f"u:{user}" if user else f"a:{anonymous}" if anonymous else f"g:{group}"
        body = b"{}\n" + json.dumps({"type": type, "messageId": message_id, **fields}).encode()
        return Call("website", type, message_id, key, self.clock.now_ms(), body)

    def start(self, plugin: type[Any] = Gated, **tables: Any) -> None:
        """Run the destination."""
        chosen = destination(over_http(plugin) if self.over_http else plugin, self.vendor, **tables)
        self.runner = Runner(chosen, self.store, self.clock, self.log, self.random)
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

    async def quiet(self, hanging: int = 0) -> dict[str, Any]:
        """Wait until nothing moves without time passing; returns the destination's ledger. `hanging`: so many requests get no answer."""
        return await at_rest(self.store, "d", lambda: self._busy(hanging), lambda: len(self.vendor.calls))

    def _busy(self, hanging: int) -> bool:
        """Whether the worker is in the middle of something."""
        if self._task is not None and self._task.done():
            self._task.result()
        return self._task is not None and is_busy(self.runner, self.store, hanging)

    async def vendor_moves(self, times: int = 1) -> None:
        """Let the loop run a little."""
        for _ in range(times):
            await asyncio.sleep(0.001)

    async def pass_time(self, seconds: float, step: float = 5.0) -> dict[str, Any]:
        """Let time pass in steps; each that wakes somebody is worked off."""
        await self.quiet()
        while seconds > 0:
            passes = min(step, seconds)
            due = self.clock.next_ms()
            self.clock.advance(passes)
            seconds -= step
            if due is not None and due <= self.clock.ms:
                await self.quiet()
        return await self.quiet()

    async def fate(self, message_id: str) -> tuple[str, str]:
        """(state, reason) of a message at the destination."""
        answer = await self.store.queries.message(message_id, None, ["d"])
        assert answer is not None
        fate = answer["destinations"]["d"]
        return fate["state"], fate["reason"]


def commits_counted(monkeypatch: pytest.MonkeyPatch, count: Callable[[CommitBatch], int]) -> list[int]:
    """What this counts in each commit of a destination from now on."""
    counts: list[int] = []
    commits = {kind: kind.commit for kind in (SqliteClaim, PostgresClaim)}

    async def counted(claim: Any, batch: CommitBatch) -> object:
        counts.append(count(batch))
        return await commits[type(claim)](claim, batch)

    for kind in commits:
        monkeypatch.setattr(kind, "commit", counted)
    return counts


async def comes_true(rig: Rig, condition: Callable[[], bool]) -> bool:
    """Let the loop run until this holds. False: it does not, however busy the machine is."""
    until = monotonic() + HANG_S
    while not condition():
        if monotonic() > until:
            return False
        await rig.vendor_moves()
    return True


async def spins(rig: Rig) -> bool:
    """Whether the destination is busy all the time though nothing can happen before time passes."""
    await rig.vendor_moves(100)
    before = rig.clock.short
    await rig.vendor_moves(100)
    return rig.clock.short - before > 20


@asynccontextmanager
async def open_rig(folder: Path, seed: int = 1, now_ms: int = START_MS) -> AsyncIterator[Rig]:
    """A rig on a store in this folder; opening the same folder again is a restart."""
    clock = FakeClock(now_ms)

    def clock_from(mark: int) -> FakeClock:
        clock.ms = max(clock.ms, mark)
        return clock

    log = make_log("error", "json", clock=clock)
    if now_ms == START_MS:
        await lay_new_store(folder / "router.db")
    async with open_case(folder / "router.db", clock_from, dedupe_window_s=86_400, min_free_bytes=0) as (store, _):
        rig = Rig(store, clock, log, seed)
        with inside.network(lambda name, request: rig.vendor.exchange(request), VENDOR_URL):
            try:
                yield rig
            finally:
                await rig.crash()
