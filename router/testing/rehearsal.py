"""A plugin's hooks without store, network or event loop: calls in, requests out, in a millisecond. Ingestion, gate and mapping are the
router's own; state and timers are kept as a worker keeps them.

    rehearsal = Rehearsal(Greeter, {"token": "T"})
    rehearsal.take({"type": "group", "userId": "u1", "groupId": "acme", "traits": {"name": "Acme Inc"}})
    came = rehearsal.take({"type": "track", "userId": "u1", "event": "Hello"})
    assert came.outcome == "sent"
    assert came.requests[0].url == "https://greeter.example.com/events"

Nothing fails here: what was taken counts as delivered. What is held stays held, and timers are called by `advance` and `wake_until` only.
`Bench` has a vendor that says no, releases, and timers that ring by themselves.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

import msgspec

from router.clock import to_datetime
from router.decide.decide import Decision, Deliver, Held, Settled, decide
from router.decide.group_readiness import GroupReadiness
from router.deliver.commit.unit_of_work import UnitOfWork
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.deliver.process.filtering import make_preparer
from router.deliver.process.mapper import Mapped, Mapper, NotMapped
from router.deliver.process.mapper import Mapping as Mapping_
from router.deliver.process.plugin_state import PluginState
from router.deliver.process.prepare import gate_view, standing_of
from router.event import Call
from router.plugin import JSON, Event, Item, Outcome, Pause, Person, Reject, Request, RetryLater, Skip, as_instant
from router.plugin_host import Destination
from router.store import CursorRow, LogRow, Status
from router.testing.around import make_destination
from router.testing.batching import batches
from router.testing.clock import FakeClock
from router.testing.intake import accepted
from router.testing.learned_directory import LearnedDirectory
from router.vocabulary import FOREVER_MS

__all__ = ["Came", "Rehearsal"]

T = TypeVar("T")
WORDS: Mapping[type[Outcome], str] = {Skip: "skipped", Reject: "dead", RetryLater: "retrying", Pause: "paused"}


@dataclass
class Came:
    """What came of one call."""

    outcome: str  #: `sent`, or `skipped: reason`, `held: reason`, `filtered: reason`, `dead: reason`, `retrying: ...`, `paused: ...`
    detail: str = ""  #: of what failed; secrets are masked
    event: Event | None = None  #: as the plugin was given it
    items: list[Item] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)  #: empty for a plugin without the hook `request`
    warnings: list[str] = field(default_factory=list)  #: the reasons that `context.warn` was called with


class Rehearsal:
    """One instance of a plugin, and what the router knows by the calls so far."""

    def __init__(self, plugin: type[Any], settings: Mapping[str, JSON] | None = None, **table: Any) -> None:
        """As `Bench`. Raises ConfigError for a class or settings that the router would refuse."""
        self.clock = FakeClock()  #: the time at which calls come in that do not say when (`receivedAt`)
        self.timers: dict[str, datetime] = {}  #: when each is due, by state key
        self.destination = make_destination(plugin, settings, **table)
        self._directory = LearnedDirectory()
        self._positions = count(1)
        self._warnings: list[str] = []
        self._users: dict[str, str] = {}  #: whose event set a timer, by state key
        self._states: dict[str, bytes] = {}
        self._readiness = GroupReadiness(FOREVER_MS, 0, ())  # all that is known counts
        self._mapper = _mapper_of(self.destination, self._states, self._warnings)
        self._preparer = make_preparer(self.destination, self._directory, self._readiness, self._mapper)

    @property
    def plugin(self) -> Any:
        """The instance."""
        return self.destination.instance

    def state(self, key: str) -> JSON:
        """The keyed state; None if there is none."""
        return msgspec.json.decode(self._states[key]) if key in self._states else None

    def take(self, call: Mapping[str, JSON] | bytes) -> Came:
        """Map one call, as a library sends it, and build its requests. A call without `receivedAt` comes in now.

        Raises:
            ValueError: ingestion refuses it.
        """
        given = as_instant(call.get("receivedAt")) if not isinstance(call, bytes) else None
        at_ms = self.clock.ms if given is None else round(given.timestamp() * 1000)
        self.clock.ms = max(self.clock.ms, at_ms)
        return self.take_accepted(accepted(call, at_ms))

    def take_accepted(self, call: Call) -> Came:
        """The same for a call that ingestion took."""
        pos = next(self._positions)
        self._directory.learn(pos, call)
        row = LogRow(pos, call.received_at, call.source, call.type, call.user_key, call.message_id, call.body)
        delivery = Delivery(row, Lane(call.user_key, is_loaded=True))
        prepared = _at_once(self._preparer.prepare([delivery]))
        turn = prepared.turns[id(delivery)]
        result: Decision | Reject | Mapping_ = turn.decision
        if delivery.event is not None and not isinstance(result, Settled | Reject):
            gate = gate_view(prepared, self._readiness)
            result = decide(delivery.event, self.destination, standing_of(delivery), gate)
        if isinstance(result, Deliver):
            result = self._mapper.map(delivery, prepared.known, turn.state_key)
        return self._told(result, delivery.event)

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> list[Came]:
        """Let time pass. Returns what came of each timer that was due meanwhile, in their order."""
        self.clock.advance(seconds, minutes=minutes, hours=hours, days=days)
        return self.wake_until(self.clock.now())

    def wake_until(self, at: datetime) -> list[Came]:
        """Call the timers that are due by then. Returns what came of each, in their order."""
        came: list[Came] = []
        while ripe := [(due, key) for key, due in self.timers.items() if due <= at]:
            due, key = min(ripe)
            user = self._users[key]
            del self.timers[key]
            mapping = self._mapper.wake(key, round(due.timestamp() * 1000), user, self._directory.snapshot())
            came.append(self._told(mapping, None))
        return came

    def forget(self, subject: Person | str) -> Came:
        """Call the hook `forget` with a person, or `forget_group` with the id of a group. Raises KeyError if there is no such hook."""
        hook = "forget" if isinstance(subject, Person) else "forget_group"
        if hook not in self.destination.hooks:
            raise KeyError(hook)
        return self._told(self._mapper.forget(subject), None)

    def requests(self, items: Sequence[Item]) -> list[Request]:
        """The requests that carry these items: of one kind each, in order, up to the kind's limits."""
        request = self.destination.hooks.get("request")
        return [] if request is None else [request(batch) for batch in self.batches(items)]

    def batches(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        """The items as requests carry them."""
        return batches(items, self.destination.kinds)

    # ------------------------------------------------------------ inside

    def _told(self, result: Decision | Reject | Mapping_, event: Event | None) -> Came:
        if isinstance(result, Mapped | NotMapped):
            self._keep(result)
        came = Came("sent", event=event, warnings=self._warnings[:])
        self._warnings.clear()
        match result.outcome if isinstance(result, NotMapped) else result:
            case Mapped(items=items):
                came.items = items
                came.requests = self.requests(items)
            case Settled(state=state, reason=reason):
                came.outcome = f"{state}: {reason}"
            case Held(closed=closed):
                came.outcome = f"held: {closed.reason}"
            case Skip() | Reject() | RetryLater() | Pause() as outcome:
                came.outcome = f"{WORDS[type(outcome)]}: {outcome.reason}"
                came.detail = self.destination.redact(getattr(outcome, "detail", ""))
            case other:
                raise TypeError(f"a turn cannot end in {other!r}")
        return came

    def _keep(self, mapping: Mapping_) -> None:
        if mapping.changes is None:
            return
        for key, value in mapping.changes.values.items():
            self._states.pop(key, None)
            if value is not None:
                self._states[key] = value
        for key, timer in mapping.changes.timers.items():
            self.timers.pop(key, None)
            if timer is not None:
                self.timers[key], self._users[key] = to_datetime(timer[0]), timer[1]


class _Stored:
    """The keyed state that was kept so far."""

    def __init__(self, states: Mapping[str, bytes]) -> None:
        self._states = states

    async def load(self, state_keys: Sequence[str]) -> dict[str, bytes]:
        return {key: self._states[key] for key in state_keys if key in self._states}

    async def due_timers(self, now_ms: int, limit: int) -> list[tuple[str, int, str]]:
        return []

    async def next_timer(self, after_ms: int) -> int | None:
        return None


def _mapper_of(destination: Destination, states: Mapping[str, bytes], warnings: list[str]) -> Mapper:
    work = UnitOfWork(destination.name, "", CursorRow(0, 0, set(), 0, 0, Status(), added=False), FakeClock(), _nothing)
    state = PluginState(_Stored(states), work)
    return Mapper(destination, state, lambda pos: False, lambda reason, **numbers: warnings.append(reason))


def _nothing() -> None:
    """Nobody has to be woken."""


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    while True:
        try:
            work.send(None)
        except StopIteration as done:
            result: T = done.value
            return result
