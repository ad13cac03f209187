"""One destination tried out without a daemon and without a store: its `check` hook with a real sender, then a sample of each
call type through the very turn that an event takes. Nothing is sent but what `check` sends."""

from __future__ import annotations

import asyncio
import dataclasses
import traceback
from collections.abc import Collection, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from router.clock import SystemClock
from router.decide.decide import Decision, Deliver, Held, Settled, decide
from router.decide.group_readiness import GroupReadiness
from router.deliver.commit.unit_of_work import UnitOfWork
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.deliver.process.filtering import make_preparer
from router.deliver.process.mapper import Mapped, Mapper, NotMapped
from router.deliver.process.plugin_state import PluginState
from router.deliver.process.prepare import gate_view, standing_of
from router.deliver.send.http_client import open_client
from router.deliver.send.rate_limit import RateLimit
from router.deliver.send.sender import CALL_TIMEOUTS, Attempt
from router.plugin import Item, Pause, Reject, RetryLater, Skip, Split
from router.plugin_host import Destination, preview
from router.plugin_host.lifetime import Lifetime, LifetimeFault
from router.store import CursorRow, DirectorySnapshot, GroupProfile, LogRow, Membership, Status
from router.testing.samples import CALLS, GROUP, USER, sample_call

OK = "ok"
FAILED = "failed"
SECRET_MISSING = "secret_missing"
NO_CHECK = "no_check"
"""The results of a check."""


class Checked(NamedTuple):
    """What came of the `check` hook."""

    result: str
    detail: str  #: the plugin's or the vendor's words, secrets redacted
    reason: str = ""  #: of a failure


async def check(destination: Destination) -> Checked:
    """Run the `check` hook, if the plugin has one. Whatever goes wrong in it is a failed check."""
    if "check" not in destination.hooks:
        words = "its plugin knows no way to try the credentials without sending an event"
        return Checked(NO_CHECK, words)
    delivery = destination.config.delivery
    clock = SystemClock()
    rate = RateLimit(delivery.rate, clock) if delivery.rate else None
    try:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(open_client(delivery))
            lifetime = Lifetime(destination)
            await lifetime.open()
            stack.push_async_callback(lifetime.close)
            sender = Attempt(destination, client, clock, rate)
            async with asyncio.timeout(CALL_TIMEOUTS * delivery.timeout_s):
                words = await destination.hooks["check"](sender)
                if not isinstance(words, str):
                    raise TypeError(f"check returned {type(words).__name__}: want text")
    except (Reject, RetryLater, Pause, Split) as outcome:
        return Checked(FAILED, destination.redact(outcome.detail), destination.redactor.word(outcome.reason))
    except LifetimeFault as fault:
        return Checked(FAILED, destination.redact(str(fault)), "plugin_error")
    except TimeoutError:
        return Checked(FAILED, "the plugin's check took too long", "timeout")
    except Exception:  # a third party's code may raise anything; the operator reads the traceback
        return Checked(FAILED, destination.redact(traceback.format_exc(limit=-8)), "plugin_error")
    return Checked(OK, destination.redact(words))


# ---------------------------------------------------------------- samples


async def map_samples(destination: Destination) -> dict[str, dict[str, Any]]:
    """What would come of a sample of each call type, its user and group known: `{"outcome", "reason", "detail", "warnings",
    "requests"}` by type. A disabled destination is taken as if it were enabled, and one that needs consent as if it were
    given: samples carry none."""
    table = destination.config.model_copy(update={"enabled": True})
    destination = dataclasses.replace(destination, config=table, consent=None)
    source = next((name for name in table.sources if name != "*"), "website")
    warnings: list[str] = []
    cursor = CursorRow(0, 0, set(), 0, 0, Status(), added=False)
    readiness = GroupReadiness(0, 0, ())
    work = UnitOfWork(destination.name, "", cursor, SystemClock(), lambda: None)
    plugin_state = PluginState(_NoState(), work)
    mapper = Mapper(destination, plugin_state, readiness.is_refused, lambda reason, **numbers: warnings.append(reason))
    preparer = make_preparer(destination, _Directory(), readiness, mapper, SystemClock().now_ms)
    found = {}
    for pos, type in enumerate(CALLS, start=1):
        call = sample_call(type, source)
        row = LogRow(pos, call.received_at, call.source, type, call.user_key, call.message_id, call.body)
        delivery = Delivery(row, Lane(call.user_key, is_loaded=True))
        prepared = await preparer.prepare([delivery])
        turn = prepared.turns[id(delivery)]
        decision: Decision | Reject = turn.decision
        if delivery.event is not None and not isinstance(decision, Settled | Reject):
            decision = decide(delivery.event, destination, standing_of(delivery), gate_view(prepared, readiness))
        result: Decision | Mapped | NotMapped | Reject = decision
        if isinstance(decision, Deliver):
            result = mapper.map(delivery, prepared.known, turn.state_key)
        found[type] = {**_told(result, destination), "warnings": warnings[:]}
        warnings.clear()
    return found


class _Directory:
    """The samples' user has belonged to their group from before the first sample."""

    async def known(
        self, asks: Sequence[tuple[str, int]], group_ids: Sequence[str], refused: Collection[int] = ()
    ) -> DirectorySnapshot:
        key = f"u:{USER.id}"
        return DirectorySnapshot(
            people={key: USER.traits},
            companies={GROUP.id: GroupProfile(GROUP.traits, dict.fromkeys(GROUP.traits, 0))},
            memberships={key: [Membership(0, GROUP.id, 0)]},
        )

    async def denied(self, user_keys: Sequence[str]) -> dict[str, frozenset[str]]:
        return {}

    async def withdrawals(self, after: int, upto: int, limit: int) -> list[tuple[int, str]]:
        return []


class _NoState:
    """No plugin remembers anything yet."""

    async def load(self, state_keys: Sequence[str]) -> dict[str, bytes]:
        return {}

    async def due_timers(self, now_ms: int, limit: int) -> list[tuple[str, int, str]]:
        return []

    async def next_timer(self, after_ms: int) -> int | None:
        return None


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
