"""One call of a plugin's sending hooks, through the only door to the network, and what came of it.

Here, and only here, exceptions become outcomes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple, cast

import msgspec

from router.clock import Clock
from router.deliver.process.mapper import plugin_error
from router.deliver.send.http_client import Client, Fault, Reply
from router.deliver.send.rate_limit import RateLimit
from router.deliver.send.request_batch import RequestBatch
from router.deliver.send.retry_after import retry_after_s
from router.plugin import Answer, Delivered, Item, Outcome, Pause, Reject, Request, RetryLater, Skip, Split, by_status
from router.plugin_host import Destination, shortened
from router.plugin_host.fault_place import said_by
from router.plugin_host.outcome_checks import MAX_DETAIL, checked, fault_of
from router.plugin_host.shortening import first_bytes
from router.plugin_host.time_budgets import CALL_TIMEOUTS

DELIVERED = Delivered()
TAKEN = "The vendor answered 2xx before, so nothing is sent again."
MAX_ERROR = 500
SILENT_PAUSE_S = 0.2
"""Before the claim is asked again whether it may send."""
REASONS = {"dns": "dns", "tls": "tls", "timeout": "timeout", "protocol": "not_http"}
"""What a fault of the network is called in states and logs; all others are `connection`."""


class Attempt(msgspec.Struct):
    """What one call did on the network; the Sender that is handed to a plugin's `deliver`."""

    destination: Destination
    client: Client
    clock: Clock
    rate: RateLimit | None = None
    is_paid: bool = False  #: the first request's part of the rate is taken already
    status: int | None = None
    error: str = ""
    duration_ms: int = 0
    retry_after_s: float | None = None
    was_resent: bool = False  #: a request went out twice: its idle connection had died without a byte of answer
    ended_at: int = 0  #: ms: when it was booked
    request: Request | None = None  #: the last one that went out, with as much of its body as is shown
    body_bytes: int = 0  #: how long its body was
    answer: Answer | None = None  #: what came back for it
    answer_bytes: int = 0  #: how long its body was
    was_taken: bool = False  #: the vendor has answered a request with 2xx, other than a private one (for a token, say)
    is_cut: Callable[[], bool] = lambda: False  #: whether the router has ended the call
    may_send: Callable[[], bool] = lambda: True  #: whether the destination is still ours when a request has ended
    on_sent: Callable[[int], None] = lambda n: None  #: told how many bytes of bodies more, or less, are on their way

    def secret(self, value: str) -> None:
        """See `router.plugin.Sender`."""
        self.destination.redactor.add(value)

    def monotonic(self) -> float:
        """Seconds, for spans only: by them a `Token` expires."""
        return self.clock.monotonic()

    async def send(self, request: Request) -> Answer:
        """Send one request: rate, time-out, body bound; no redirect is followed. Raises RetryLater on network trouble."""
        if self.rate is not None and not self.is_paid:
            await self.rate.acquire()
        while not (self.may_send() or self.is_cut()):
            await self.clock.sleep(SILENT_PAUSE_S)
        if self.is_cut():  # a plugin that went on after its end must not send what others send by now
            raise asyncio.CancelledError
        self.is_paid = False
        self.note(request)
        began, size = self.clock.monotonic(), self.body_bytes
        self.on_sent(size)
        try:
            result: Reply | Fault = await self.client.send(request)
        except Fault as fault:
            result = fault
        finally:
            self.on_sent(-size)
            self.duration_ms += int((self.clock.monotonic() - began) * 1000)
        return self.receive(result)

    def note(self, request: Request) -> None:
        """This one goes out now. Of a long body the beginning is kept."""
        self.request, self.answer, self.body_bytes = shortened(request), None, len(request.body)

    def receive(self, result: Reply | Fault) -> Answer:
        """Read what the client gave back. Raises the outcome that network trouble comes to."""
        self.was_resent |= result.resent
        if isinstance(result, Fault):
            raise self._outcome(result)
        self.status = result.status
        wait = None
        if result.status == 429 or "retry-after" in result.headers:
            wait = retry_after_s(result.status, result.headers, self.clock.now_ms())
        if wait is not None:
            self.retry_after_s = max(self.retry_after_s or 0.0, wait)
        # A success whose body is not whole counts by its status; a plugin could only misread a part of it.
        body = b"" if result.trouble.startswith("body:") and result.status < 300 else result.body
        self.answer, self.answer_bytes = Answer(result.status, result.headers, body, wait), len(body)
        is_private = self.request is not None and self.request.private
        self.was_taken |= 200 <= result.status < 300 and not is_private
        return self.answer

    def _outcome(self, fault: Fault) -> Split | Pause | RetryLater:
        if fault.reason == "header":  # one item may be at fault: its neighbours go without it, alone it is rejected
            return Split("plugin_error", self.destination.redact(fault.words))
        if fault.reason == "url":
            return Pause("set_up", self.destination.redact(fault.words))
        words = fault.words if fault.reason in REASONS else f"{fault.reason}: {fault.words}"
        self.status, self.error = None, self.destination.redact(words)[:MAX_ERROR]
        return RetryLater(REASONS.get(fault.reason, "connection"), self.error)


class Ended(NamedTuple):
    """A request that is done, with one outcome per item, in order."""

    batch: RequestBatch
    attempt: Attempt
    outcomes: list[Outcome]


def read_result(destination: Destination, items: list[Item], attempt: Attempt, result: Reply | Fault) -> list[Outcome]:
    """One outcome per item, in order, of a plugin without a `deliver` of its own. Never raises."""
    n = len(items)
    destination.watch.begin("verdict", "")
    try:
        answer = attempt.receive(result)
        verdict = destination.hooks.get("verdict")
        told = verdict(items, answer) if verdict is not None else by_status(answer, n)
        return per_item(destination, told, n, was_taken=attempt.was_taken)
    except (Reject, RetryLater, Pause, Split) as outcome:
        return per_item(destination, outcome, n, was_taken=attempt.was_taken)
    except BaseException as error:  # a hook that runs in one go is ended by nobody: whatever it raises is its own
        return per_item(destination, bad_call(destination, "verdict", error, n, was_taken=attempt.was_taken), n)
    finally:
        destination.watch.end()


async def call_deliver(destination: Destination, items: list[Item], attempt: Attempt) -> list[Outcome]:
    """Call the plugin's own `deliver` once. One outcome per item, in order; never raises for a plugin's or vendor's fault.

    Raises CancelledError where `attempt.is_cut` says that the router ended the call. Any other cancellation is the plugin's: it
    awaited a task of its own that was cancelled.
    """
    n = len(items)
    try:
        async with asyncio.timeout(CALL_TIMEOUTS * destination.config.delivery.timeout_s) as limit:
            told = await destination.hooks["deliver"](items, attempt)
        return per_item(destination, told, n, was_taken=attempt.was_taken)
    except BaseException as error:
        if attempt.is_cut():
            raise asyncio.CancelledError from error
        told = _told_by(destination, error, n, is_late=limit.expired(), was_taken=attempt.was_taken)
        return per_item(destination, told, n, was_taken=attempt.was_taken)


def _told_by(destination: Destination, error: BaseException, n: int, *, is_late: bool, was_taken: bool) -> Outcome:
    """What an exception that left `deliver` says. After a 2xx it is no reason to send again."""
    if isinstance(error, Reject | RetryLater | Pause | Split):
        return error
    if isinstance(error, BaseExceptionGroup) and (outcome := _outcome_in(error)) is not None:
        return outcome
    if isinstance(error, TimeoutError) and is_late:
        return RetryLater("timeout", "the plugin's deliver took too long")
    if isinstance(error, OSError) and not was_taken:  # a plugin's own connection, or its file
        told = first_bytes(said_by(error), MAX_DETAIL)
        words = destination.redact(f"the plugin's deliver raised {type(error).__name__}: {told}")[:MAX_ERROR]
        return RetryLater("timeout" if isinstance(error, TimeoutError) else "connection", words)
    return bad_call(destination, "deliver", error, n, was_taken=was_taken)


def _outcome_in(group: BaseExceptionGroup[BaseException]) -> Outcome | None:
    """The outcome that a task of a TaskGroup raised; None where others raised something else."""
    outcomes, others = group.split((Reject, RetryLater, Pause, Split))
    if outcomes is None or others is not None:
        return None
    first = outcomes.exceptions[0]
    return _outcome_in(first) if isinstance(first, BaseExceptionGroup) else cast(Outcome, first)


def per_item(destination: Destination, told: object, n: int, *, was_taken: bool = False) -> list[Outcome]:
    """Spread what a hook returned over its items; anything that is no outcome is a fault of the plugin. A wrong number of
    outcomes says nothing of any item: the vendor may have them all, so none is sent again."""
    if type(told) is Delivered and not told.warning:
        return [DELIVERED] * n
    outcomes: list[object] = []
    if isinstance(told, Outcome):
        outcomes = [told] * n
    elif isinstance(told, Sequence) and not isinstance(told, str | bytes):
        outcomes = list(islice(told, n + 1))  # whatever its length
    if len(outcomes) != n:
        more = "more than " if len(outcomes) > n else ""
        given = f"{more}{min(n, len(outcomes))} outcomes" if outcomes else type(told).__name__
        words = f"plugin {destination.plugin_name}: deliver or verdict returned {given} for {n} items"
        return [Reject("plugin_error", f"{words}: want one Outcome, or one per item")] * n
    return [_sent(destination, outcome, n, was_taken=was_taken) for outcome in outcomes]


def bad_call(destination: Destination, hook: str, error: BaseException, n: int, *, was_taken: bool = False) -> Outcome:
    """A sending hook raised something that is no outcome."""
    return alone_or_split(plugin_error(destination, hook, error), n, was_taken=was_taken)


def alone_or_split(reject: Reject, n: int, *, was_taken: bool) -> Outcome:
    """One bad item must not take its neighbours along: alone it is rejected. What the vendor has taken is not sent again."""
    if was_taken:
        return Reject(reject.reason, f"{TAKEN}\n{reject.detail}")
    return Split(reject.reason, reject.detail) if n > 1 else reject


def _sent(destination: Destination, outcome: object, n: int, *, was_taken: bool) -> Outcome:
    if type(outcome) is Delivered and not outcome.warning:
        return DELIVERED
    fault = fault_of(outcome)
    if not fault and isinstance(outcome, Skip):
        fault = f"returned {outcome!r}: Skip is for mapping hooks, a sending hook returns Delivered or Reject"
    if fault:
        hook = "deliver" if "deliver" in destination.hooks else "verdict"
        words = first_bytes(destination.redact(f"plugin {destination.plugin_name}, hook {hook}: {fault}"), MAX_DETAIL)
        return alone_or_split(Reject("plugin_error", words), n, was_taken=was_taken)
    good = checked(destination, outcome)
    return Reject(good.reason, good.detail) if isinstance(good, Split) and n == 1 else good
