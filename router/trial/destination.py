"""One call at one destination, through the very turn that an event takes. Nothing is sent and nothing is stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import msgspec

from router.clock import SystemClock
from router.decide.decide import Decision, Deliver, Held, Settled, decide
from router.decide.group_readiness import GroupReadiness
from router.deliver.commit.unit_of_work import UnitOfWork
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.deliver.process.filtering import make_preparer
from router.deliver.process.mapper import ITEM_TOO_LARGE, Mapped, Mapper, NotMapped
from router.deliver.process.plugin_state import PluginState
from router.deliver.process.prepare import gate_view, standing_of
from router.event import Call
from router.plugin import Context, Event, Item, Outcome, Pause, Reject, RetryLater, Skip
from router.plugin_host import MAPPING_HOOKS, Destination, add_details, preview, shown_items
from router.plugin_host.interruption import go_on
from router.store import CursorRow, LogRow, Status
from router.testing.replies import Answers
from router.trial.answer import answered
from router.trial.as_test import as_test
from router.trial.known import Known, KnownDirectory, NoState
from router.vocabulary import FOREVER_MS


class DestinationTrial:
    """Tries one call after the other. What a call tells of its user and group is known to it and to those after it, as if it had been
    delivered."""

    def __init__(
        self, destination: Destination, known: Known, answer: str | Answers = "", *, as_enabled: bool = False
    ) -> None:
        """`answer`: what the vendor answers, see `answered`; "": nobody asks what would become of it then. `as_enabled`: a disabled
        destination is taken as if it were enabled."""
        if as_enabled:
            enabled = destination.config.model_copy(update={"enabled": True})
            destination = dataclasses.replace(destination, config=enabled)
        self._destination = destination
        self._warnings: list[str] = []
        self._answer = answer
        self._positions = count(1)
        self._readiness = GroupReadiness(FOREVER_MS, 0, ())  # all that is known counts
        cursor = CursorRow(0, 0, set(), 0, 0, Status(), added=False)
        clock = SystemClock()
        state = PluginState(NoState(), UnitOfWork(destination.name, "", cursor, clock, lambda: None))
        self._called: tuple[Event, Context | None] | None = None  #: with what the plugin's mapping hook was called last
        hooks = {name: self._noted(hook) if name in MAPPING_HOOKS else hook for name, hook in destination.hooks.items()}
        self._destination = dataclasses.replace(self._destination, hooks=hooks)
        self._mapper = Mapper(
            self._destination,
            state,
            self._readiness.is_refused,
            lambda reason, **numbers: self._warnings.append(reason),
        )
        self._directory = KnownDirectory(known)
        self._preparer = make_preparer(self._destination, self._directory, self._readiness, self._mapper)

    async def run(self, call: Call) -> dict[str, Any]:
        """`{"outcome", "reason", "detail", "warnings", "requests", "event", "items", "test", "answered"}`; of a filter `expression` too.

        `event`: as the plugin is given it; None where it was decided before. `test`: as pytest lines, where the plugin was called.
        `answered`: see `answered`; None where nothing would be sent, or nobody asks.
        """
        go_on()
        self._called = None
        pos = next(self._positions)
        self._directory.learn(pos, call)
        row = LogRow(pos, call.received_at, call.source, call.type, call.user_key, call.message_id, call.body)
        delivery = Delivery(row, Lane(call.user_key, is_loaded=True))
        prepared = await self._preparer.prepare([delivery])
        turn = prepared.turns[id(delivery)]
        decision: Decision | Reject = turn.decision
        if delivery.event is not None and not isinstance(decision, Settled | Reject):
            gate = gate_view(prepared, self._readiness)
            decision = decide(delivery.event, self._destination, standing_of(delivery), gate)
        result: Decision | Mapped | NotMapped | Reject = decision
        if isinstance(decision, Deliver):
            result = self._mapper.map(delivery, prepared.known, turn.state_key)
        told = {**_told(result, self._destination), "warnings": self._warnings[:], **self._seen(delivery, result)}
        told["answered"] = await self._answered(result, call) if self._answer else None
        self._warnings.clear()
        if told["outcome"] == "filtered":
            fate = {"state": "filtered", **told}
            add_details({"": fate}, call, {"": self._destination.conditions})
            told |= {key: fate[key] for key in ("detail", "expression") if key in fate}
        return told

    def _noted(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """The same hook, which notes what it was called with."""

        def called(event: Event, context: Context | None) -> Any:
            self._called = (event, context)
            return hook(event, context)

        return called

    def _seen(self, delivery: Delivery, result: Decision | Mapped | NotMapped | Reject) -> dict[str, Any]:
        """What the plugin was given, and what it made of it."""
        items = result.items if isinstance(result, Mapped) else []
        test = None
        if self._called is not None:
            outcome = result.outcome if isinstance(result, NotMapped) else None
            test = as_test(self._destination, *self._called, items or _raised(outcome))
        return {
            "event": msgspec.to_builtins(delivery.event) if delivery.event is not None else None,
            "items": shown_items(items, self._destination),
            "test": test,
        }

    async def _answered(self, result: Decision | Mapped | NotMapped | Reject, call: Call) -> dict[str, Any] | None:
        if not isinstance(result, Mapped):
            return None
        return await answered(
            self._destination, next(_runs(result.items, self._destination)), self._answer, call.user_key
        )


def _raised(outcome: Skip | Reject | RetryLater | Pause | None) -> Sequence[Item] | Outcome | None:
    """What the hook itself raised; no items where it made none, None where it failed."""
    if outcome == Skip("empty"):
        return []
    return None if isinstance(outcome, Reject) and outcome.reason in ("plugin_error", ITEM_TOO_LARGE) else outcome


def _told(result: Decision | Mapped | NotMapped | Reject, destination: Destination) -> dict[str, Any]:
    match result.outcome if isinstance(result, NotMapped) else result:
        case Mapped(items=items):
            return _outcome("deliver", requests=[preview(run, destination) for run in _runs(items, destination)])
        case Settled(state=state, reason=reason):
            return _outcome(state, reason)
        case Held(closed=closed):
            return _outcome("held", closed.reason)
        case Skip(reason=reason):
            return _outcome("skipped", reason)
        case Reject(reason=reason, detail=detail):
            return _outcome("dead", reason, destination.redact(detail))
        case RetryLater(reason=reason, detail=detail):
            return _outcome("retrying", reason, destination.redact(detail))
        case Pause(reason=reason, detail=detail):
            return _outcome("paused", reason, destination.redact(detail))
    raise TypeError(f"a turn cannot end in {result!r}")


def _outcome(
    outcome: str, reason: str = "", detail: str = "", requests: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason, "detail": detail, "requests": list(requests)}


def _runs(items: Sequence[Item], destination: Destination) -> Iterator[list[Item]]:
    """The items of one event as requests carry them: of one kind each, in order, up to the kind's limit."""
    run: list[Item] = []
    for item in items:
        if run and (item.kind != run[0].kind or len(run) >= destination.kinds[item.kind].max_items):
            yield run
            run = []
        run.append(item)
    yield run
