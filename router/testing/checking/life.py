"""A plugin with its lifetime open, whose requests end at a made-up vendor, and what came of each delivery."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from router.deliver.send.sender import Attempt
from router.plugin import JSON, Item, Outcome
from router.plugin_host import Destination
from router.plugin_host.fault_place import said_by
from router.plugin_host.lifetime import Lifetime, LifetimeFault
from router.testing.checking.check import CannotBeMade
from router.testing.checking.loops import KitLoop, finished, rounds
from router.testing.checking.vendor_in_memory import Endless, MadeUpVendor
from router.testing.clock import FakeClock
from router.testing.replies import Answers, Received, Reply
from router.testing.sender import PluginSender

if TYPE_CHECKING:
    from router.testing.checking.subject import Subject

__all__ = ["Delivery", "Life", "change_of", "copies", "open_life"]

NOTHING: object = object()
WORDS = ("reason", "detail", "warning")
"""Fields of outcomes that are shown."""
_now: ContextVar[Delivery] = ContextVar("delivery")


@dataclasses.dataclass
class Delivery:
    """One call that sends items, as the plugin made it and as the router reads it."""

    items: list[Item]
    requests: list[Received] = dataclasses.field(default_factory=list)
    private: list[Received] = dataclasses.field(default_factory=list)  #: the requests that the plugin made private
    replies: list[Reply] = dataclasses.field(default_factory=list)
    known: list[frozenset[int]] = dataclasses.field(default_factory=list)  #: see `MadeUpVendor`
    outcomes: list[Outcome] = dataclasses.field(default_factory=list)  #: one per item; none where it raised or is stuck
    hook: str = ""  #: whose result counts: `deliver` or `verdict`
    returned: object = NOTHING
    raised: BaseException | None = None
    words: list[str] = dataclasses.field(default_factory=list)  #: of its outcomes, before secrets are masked
    changed: str = ""  #: what a hook did to the items that it was given
    is_stuck: bool = False
    is_endless: bool = False
    is_by_other: bool = False  #: its requests went out by the Sender of an earlier call

    @property
    def is_sound(self) -> bool:
        """Whether the router could read it: the outcomes are the plugin's own."""
        broken = any(getattr(outcome, "reason", "") == "plugin_error" for outcome in self.outcomes)
        return bool(self.outcomes) and not (broken or self.is_stuck or self.is_endless)


class _LoopClock(FakeClock):
    """Moves on as the loop does, by which a `Token` expires. `KitLoop.pass_time` moves both."""

    def __init__(self, loop: KitLoop) -> None:
        super().__init__()
        self._loop = loop

    def monotonic(self) -> float:
        return self._loop.time()


class _OwnSender(PluginSender):
    """Knows whether the Sender of the latest delivery was used."""

    latest: Attempt | None = None

    def _attempt(self) -> Attempt:
        self.latest = super()._attempt()
        return self.latest


class Life:
    """What a check does with it."""

    def __init__(self, subject: Subject, destination: Destination, loop: KitLoop, settings: Mapping[str, JSON]) -> None:
        self.subject, self.loop, self.settings = subject, loop, settings
        self.destination = dataclasses.replace(destination, hooks=_tapped(destination.hooks))
        self.vendor = MadeUpVendor(subject.good, partial(loop.pass_time, self.destination.config.delivery.timeout_s))
        self.sender = _OwnSender(self.destination, self.vendor, _LoopClock(loop))
        self._lifetime = Lifetime(self.destination)

    @property
    def has_ended(self) -> bool:
        """Whether its lifetime ended by itself."""
        return self._lifetime.has_ended

    async def open(self) -> str:
        """Open its lifetime. Returns what went wrong."""
        return await self._in_time(self._lifetime.open, "it does not open")

    async def close(self) -> str:
        """Close it. Returns what went wrong."""
        return await self._in_time(self._lifetime.close, "it does not close")

    async def _in_time(self, work: Callable[[], Any], late: str) -> str:
        task = await finished(work())
        if not task.done():
            task.cancel()
            return late
        error = task.exception() if not task.cancelled() else None
        if error is not None and not isinstance(error, LifetimeFault):
            return f"{type(error).__name__}: {said_by(error)}"
        return "" if error is None else str(error).strip().splitlines()[-1]

    async def deliver(self, items: Sequence[Item], answer: Answers | None = None) -> Delivery:
        """Send these items once, to a vendor that answers so."""
        self.vendor.begin()
        self.vendor.answer = answer or self.subject.good
        vendor = self.vendor
        delivery = Delivery(copies(items), vendor.requests, vendor.private, vendor.replies, vendor.known)
        task = await finished(self._deliver(delivery))
        if not task.done():
            delivery.is_stuck = True
            task.cancel()
            await rounds()
        elif not task.cancelled():
            task.exception()
        own = self.sender.latest
        delivery.is_by_other = bool(delivery.requests) and (own is None or own.request is None)
        return delivery

    async def _deliver(self, delivery: Delivery) -> None:
        _now.set(delivery)
        try:
            delivery.outcomes = await self.sender.deliver(delivery.items)
        except BaseException as error:
            delivery.raised = error

    async def raw_deliver(self, items: Sequence[Item]) -> object:
        """What the plugin itself gives, which may be cancelled: no outcome is made of it."""
        _now.set(Delivery(list(items)))
        return await _alive(self.destination.hooks["deliver"](copies(items), self.sender))

    async def check(self) -> object:
        """What the hook `check` returns."""
        return await _alive(self.sender.check())


async def _alive(work: Awaitable[object]) -> object:
    """What this returns. What would end the loop from a task is an error like any other."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"{type(error).__name__} was raised") from error


def copies(items: Sequence[Item]) -> list[Item]:
    """The items as every attempt gets them."""
    return [Item.of_json(item.json, item.kind) for item in items]


@asynccontextmanager
async def open_life(subject: Subject, loop: KitLoop, more: Mapping[str, JSON] | None = None) -> AsyncIterator[Life]:
    """A life of a new instance, from its opening to its end. Raises CannotBeMade where it does not open."""
    async with subject.opened_scene() as opened:
        settings = {**opened, **(more or {})}
        life = Life(subject, subject.make(settings), loop, settings)
        if fault := await life.open():
            raise CannotBeMade(f"its lifetime could not be opened: {fault}")
        try:
            yield life
        finally:
            await life.close()


def _tapped(hooks: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """The hooks, those that send with what they do noted in the delivery of the moment."""
    tapped = dict(hooks)
    if "deliver" in hooks:
        tapped["deliver"] = _tap_async(hooks["deliver"])
    for name in {"verdict", "request"} & hooks.keys():
        tapped[name] = _tap(name, hooks[name])
    return tapped


def _tap(name: str, hook: Callable[..., Any]) -> Callable[..., Any]:
    def call(items: list[Item], *more: Any) -> Any:
        delivery = _now.get(None)
        if delivery is None:
            return hook(items, *more)
        before = list(items)
        try:
            returned = hook(items, *more)
        except BaseException as error:
            _note(delivery, name, raised=error)
            raise
        finally:
            delivery.changed = delivery.changed or change_of(name, items, before)
        if name == "verdict":
            _note(delivery, name, returned)
        return returned

    return call


def _tap_async(hook: Callable[..., Any]) -> Callable[..., Any]:
    async def call(items: list[Item], sender: Any) -> Any:
        delivery, before = _now.get(), list(items)
        try:
            returned = await hook(items, sender)
        except BaseException as error:
            delivery.is_endless = delivery.is_endless or isinstance(error, Endless)
            _note(delivery, "deliver", raised=error)
            raise
        finally:
            delivery.changed = delivery.changed or change_of("deliver", items, before)
        _note(delivery, "deliver", returned)
        return returned

    return call


def _note(delivery: Delivery, hook: str, returned: object = NOTHING, raised: BaseException | None = None) -> None:
    delivery.hook, delivery.returned, delivery.raised = hook, returned, raised
    told = raised if raised is not None else returned
    outcomes = list(told) if isinstance(told, list | tuple) else [told]
    delivery.words = [" ".join(str(getattr(one, field, "")) for field in WORDS) for one in outcomes]
    if raised is not None and not isinstance(raised, Outcome):
        delivery.words.append(str(raised))


def change_of(hook: str, items: list[Item], before: list[Item]) -> str:
    """What a hook did to the items that it was given."""
    if [id(item) for item in items] != [id(item) for item in before]:
        return f"hook {hook} was given {len(before)} items and left {len(items)} in its list"
    changed = [at for at, item in enumerate(items) if item.body != Item.of_json(item.json).body]
    return f"hook {hook} changed the body of item {changed[0]}" if changed else ""
