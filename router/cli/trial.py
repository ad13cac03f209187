"""One destination tried out without a daemon and without a store: its `check` hook with a real sender, then a sample of each
call type through the very turn that an event takes. Nothing is sent but what `check` sends."""

from __future__ import annotations

import asyncio
import dataclasses
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, cast

from aiolimiter import AsyncLimiter

from router.clock import SystemClock
from router.decide.decide import Held, Settled
from router.decide.gate import Supplies
from router.deliver.attempt import CALL_TIMEOUTS, Attempt
from router.deliver.book import Book
from router.deliver.lanes import Entry, Lane
from router.deliver.runner import open_lifetime, open_session
from router.deliver.turns import Mapped, Result, Turns
from router.destinations import Destination, preview
from router.plugin import Item, Pause, Reject, RetryLater, Skip, Split
from router.store import Company, CursorRow, Known, Loaded, LogRow, Membership, Status, Store
from router.testing.samples import CALLS, GROUP, USER, sample_call

OK, FAILED, SECRET_MISSING, NO_CHECK = "ok", "failed", "secret_missing", "no_check"
"""What can come of a check."""


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
    limiter = AsyncLimiter(delivery.rate.count, delivery.rate.per_s) if delivery.rate else None
    try:
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(open_session(destination))
            await stack.enter_async_context(open_lifetime(destination))
            sender = Attempt(destination, session, SystemClock(), limiter)
            async with asyncio.timeout(CALL_TIMEOUTS * delivery.timeout_s):
                words = await destination.hooks["check"](sender)
                if not isinstance(words, str):
                    raise TypeError(f"check returned {type(words).__name__}: want text")
    except (Reject, RetryLater, Pause, Split) as outcome:
        return Checked(FAILED, destination.redact(outcome.detail), outcome.reason)
    except TimeoutError:
        return Checked(FAILED, "the plugin's check took too long", "timeout")
    except Exception:  # a third party's code: whatever it raises, the operator reads it
        return Checked(FAILED, destination.redact(traceback.format_exc(limit=-8)), "plugin_error")
    return Checked(OK, destination.redact(words))


# ---------------------------------------------------------------- samples


async def map_samples(destination: Destination) -> dict[str, dict[str, Any]]:
    """What would come of a sample of each call type, its user and group known: `{"outcome", "reason", "detail", "warnings",
    "requests"}` by type. A disabled destination is taken as if it were enabled."""
    table = destination.config.model_copy(update={"enabled": True})
    destination = dataclasses.replace(destination, config=table)
    source = next((name for name in table.sources if name != "*"), "website")
    warnings: list[str] = []
    cursor = CursorRow(0, 0, set(), 0, 0, Status(), added=False)
    turns = Turns(
        destination,
        cast(Store, _Directory()),
        Book(destination.name, cursor, SystemClock(), lambda: None),
        Supplies(0, 0, ()),
        lambda reason, **numbers: warnings.append(reason),
    )
    found = {}
    for pos, type in enumerate(CALLS, start=1):
        call = sample_call(type, source)
        row = LogRow(pos, call.received_at, call.source, type, call.user_key, call.message_id, call.body)
        entry = Entry(row, Lane(call.user_key, loaded=True))
        await turns.prepare([entry])
        found[type] = {**_told(turns.take(entry), destination), "warnings": warnings[:]}
        warnings.clear()
    return found


class _Directory:
    """All that a turn asks of a store: the samples' user has belonged to their group from before the first sample."""

    async def known(self, user_keys: Sequence[str], group_ids: Sequence[str]) -> Known:
        key = f"u:{USER.id}"
        return Known(
            people={key: USER.traits},
            companies={GROUP.id: Company(GROUP.traits, dict.fromkeys(GROUP.traits, 0))},
            memberships={key: [Membership(0, GROUP.id, 0)]},
        )

    async def load(self, destination: str, user_keys: Sequence[str], state_keys: Sequence[str]) -> Loaded:
        return Loaded()


def _told(result: Result, destination: Destination) -> dict[str, Any]:
    match result:
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
