"""A vendor in memory with the faults of real ones, and the plugin that speaks to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any, ClassVar, cast

from router.clock import to_datetime
from router.plugin import (
    Answer,
    Batch,
    Context,
    Delivered,
    Event,
    Group,
    Item,
    Outcome,
    Reject,
    Request,
    RetryLater,
    Settings,
    Skip,
    UserId,
    by_status,
    hookimpl,
    json_request,
)

Body = dict[str, Any]


VENDOR_URL = "http://vendor.test/"


class SimVendor:
    """What arrived, in order. While `faults` last each request may fail in any way."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.faults = True
        self.slips = False  #: the plugin makes wrongly typed outcomes of some answers
        self.mood: Callable[[list[Body]], str] | None = None  #: names the fault of a request, in place of chance
        self.latency_s = 0.0
        self.poison: set[str] = set()  #: message ids it never takes
        self.received: list[Body] = []
        self.blamed: set[str] = set()  #: message ids that an answer may have made dead
        self.mixed: list[str] = []  #: message ids that came with the body of another event
        self.requests: list[tuple[int, list[str]]] = []  #: when each began (ms), and its message ids
        self.in_flight: dict[int, list[str]] = {}  #: of them those without an answer, by number

    async def exchange(self, request: Request) -> Answer:
        """One request over the network."""
        bodies: list[Body] = json.loads(request.body)
        number, ids = len(self.requests), [body["m"] for body in bodies]
        self.requests.append((int(1000 * asyncio.get_running_loop().time()), ids))
        self.in_flight[number] = ids
        try:
            return await self._answer(bodies)
        finally:
            del self.in_flight[number]

    async def _answer(self, bodies: list[Body]) -> Answer:
        await self._some_turns()
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        fault = self.mood(bodies) if self.mood is not None else self._fault(len(bodies))
        if fault in ("timeout", "lost"):
            if fault == "lost":  # it arrived, the answer did not
                self._take(bodies)
            raise TimeoutError
        if fault == "hangs":
            await asyncio.get_running_loop().create_future()
        if fault == "reset":
            raise ConnectionResetError("reset by peer")
        if fault == "429":
            wait = self.random.choice((None, 0.0, 1.0, 20.0))
            return Answer(429, retry_after_s=wait)
        if fault == "busy":
            return Answer(503, retry_after_s=5.0)
        if fault == "some":
            words = [self.random.choice(("ok", "later")) for _ in bodies]
        elif fault:
            self.blamed |= {body["m"] for body in bodies} if fault in ("403", "404", "413", "299") else set()
            return Answer(int(fault))
        elif len(bodies) > 1 and self.random.random() < 0.3 and self._bad(bodies):
            return Answer(400)  # and not a word which of them
        else:
            words = ["ok" for _ in bodies]
        words = ["no" if body["m"] in self.poison else word for body, word in zip(bodies, words, strict=True)]
        if self.slips and self.random.random() < 0.05:
            words[self.random.randrange(len(words))] = self.random.choice(SLIPS)
            self.blamed |= {body["m"] for body, word in zip(bodies, words, strict=True) if word in SLIPS}
        self._take([body for body, word in zip(bodies, words, strict=True) if word == "ok"])
        answer = Answer(200, body=json.dumps(words).encode())
        await self._some_turns()
        return answer

    def _bad(self, bodies: Iterable[Body]) -> bool:
        return any(body["m"] in self.poison for body in bodies)

    def _fault(self, n: int) -> str:
        if not self.faults:
            return ""
        dice = self.random.random()
        for fault, share in (
            ("503", 0.08), ("timeout", 0.02), ("lost", 0.03), ("hangs", 0.005), ("reset", 0.02), ("429", 0.02),
            ("busy", 0.01), ("401", 0.004), ("403", 0.012), ("404", 0.006), ("some", 0.06), ("299", 0.004),
            ("413", 0.02 if n > 1 else 0),
        ):  # fmt: skip
            dice -= share
            if dice < 0:
                return fault
        return ""

    def _take(self, bodies: Iterable[Body]) -> None:
        self.received += [body for body in bodies if body["m"] not in self.poison]

    async def _some_turns(self) -> None:
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)


SLIPS = ("wait", "detail", "exception", "nothing", "reason", "surrogate")
"""How a plugin's author may get an outcome wrong."""


def slip(word: Any) -> Any:
    """An outcome of the wrong types."""
    later, reject = cast(Any, RetryLater), cast(Any, Reject)
    match word:
        case "wait":
            return later("busy", after_s="5")
        case "detail":
            return reject("rejected", 7)
        case "exception":
            return reject("rejected", ValueError("no"))
        case "nothing":
            return later("busy", None)
        case "reason":
            return reject(None)
    return reject("rejected", "\ud800")


class Sim:
    """Sends every call; what an event's properties say makes it odd."""

    display_names = ("Sim",)
    settings_model = Settings
    requires: ClassVar[Mapping[str, tuple[UserId | Group, ...]]] = {}
    kinds: ClassVar[Mapping[str, Batch]] = {"": Batch()}
    vendor: SimVendor

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def items(self, event: Event, context: Context) -> list[Item]:
        """What any event becomes."""
        odd = event.properties.get("odd")
        if event.payload["messageId"] != event.message_id:
            self.vendor.mixed.append(event.message_id)
        if odd == "slip":
            raise slip(self.vendor.random.choice(SLIPS))
        if odd == "boom":
            raise ZeroDivisionError
        if odd == "later" and self.vendor.faults and self.vendor.random.random() < 0.7:
            raise RetryLater("not_yet")
        if odd == "none":
            raise Skip("nothing")
        group = context.group
        body = {
            "m": event.message_id,
            "user": event.user_id,
            "group": group.id if group else None,
            "name": group.traits.get("name") if group else None,
            "state": context.state,
        }
        return [Item({**body, "part": n}) for n in range(2 if odd == "pair" else 1)]

    @hookimpl
    def identify(self, event: Event, context: Context) -> list[Item]:
        return self.items(event, context)

    @hookimpl
    def group(self, event: Event, context: Context) -> list[Item]:
        return self.items(event, context)

    @hookimpl
    def alias(self, event: Event, context: Context) -> list[Item]:
        return self.items(event, context)

    @hookimpl
    def track(self, event: Event, context: Context) -> list[Item]:
        return self.items(event, context)

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        return json_request(VENDOR_URL, [item.body for item in items])

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
        if answer.status == 299:
            raise LookupError("an answer that the plugin's author did not foresee")
        if answer.status != 200:
            return by_status(answer, len(items))
        told = {"ok": Delivered(), "no": Reject("refused"), "later": RetryLater("status_503")}
        words = answer.json()
        assert isinstance(words, list)
        return [slip(word) if word in SLIPS else told[str(word)] for word in words]


class SimGated(Sim):
    """Needs a group with a name before it takes a track."""

    requires: ClassVar[Mapping[str, tuple[UserId | Group, ...]]] = {"track": (Group("id", "name"),)}


TIMER_S = 40.0


def timer_of(message_id: str, received_ms: int) -> int | None:
    """The rule of the counting plugins' timers: which events set one, for when (ms); 0 clears it, None leaves it."""
    n = sum(message_id.encode())
    if n % 5 == 0:
        return received_ms + int(TIMER_S * 1000) * (1 + n % 3)
    return 0 if n % 11 == 1 else None


def state_key_of(user_id: str | None) -> str | None:
    """Two users share a key, and some have none."""
    return None if user_id is None or user_id.endswith("4") else f"k{ord(user_id[-1]) % 2}"


UNMAPPED = ("boom", "later", "slip")
"""Odd events of which the plugin keeps nothing."""


class Folding:
    """Keeps in keyed state the ids of all that was mapped, in order; sets timers, and notes when they ring."""

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        return state_key_of(event.user_id)

    def items(self, event: Event, context: Context) -> list[Item]:
        if state_key_of(event.user_id) is not None and event.properties.get("odd") not in UNMAPPED:
            context.state = [*(context.state or []), event.message_id]
            due = timer_of(event.message_id, int(event.received_at.timestamp() * 1000 + 0.5))
            if due is not None:
                context.wake(to_datetime(due) if due else None)
        return super().items(event, context)  # type: ignore[misc, no-any-return]

    @hookimpl
    def wake(self, key: str, at: Any, context: Context) -> list[Item]:
        due = int(at.timestamp() * 1000 + 0.5)
        context.state = [*(context.state or []), f"w{due}"]
        if due % 7 == 0:
            context.wake(at + timedelta(seconds=TIMER_S))
        if due % 5 == 0:
            raise Skip("nothing")
        return [Item({"m": f"wake:{key}:{due}", "state": context.state})]


class SimFolding(Folding, Sim):
    """Everything goes at once, with state and timers."""


class SimFoldingGated(Folding, SimGated):
    """Gate, state and timers."""


@cache
def plugin(*, gated: bool, folding: bool, batch: int) -> type[Sim]:
    """A plugin class of these traits."""
    base = {(0, 0): Sim, (1, 0): SimGated, (0, 1): SimFolding, (1, 1): SimFoldingGated}[gated, folding]
    return type(base.__name__, (base,), {"kinds": {"": Batch(max_items=batch)}})
