"""What a plugin would make of a vendor's answer. The answer is made up; nothing is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from router.clock import SystemClock
from router.deliver.send.http_client import Exchange, Fault, OnDone, Reply
from router.deliver.send.http_request import Heads
from router.deliver.send.sender import Attempt, bad_call, call_deliver, per_item, read_result
from router.deliver.settle.destination_verdict import Failed, Stop, Verdict, Wait, judge
from router.plugin import Delivered, Item, Outcome, Pause, Reject, Request, RetryLater, Skip, Split
from router.plugin_host import Destination
from router.testing.checking.vendor_function import OwnAnswers
from router.testing.replies import Answers, Garbage
from router.trial.own_vendor import OwnVendor

WAIT_S = 30
JSON = {"content-type": "application/json"}

ANSWERS: Mapping[str, Reply | Fault] = {
    "200": Reply(200, JSON, b"{}"),
    "400": Reply(400, JSON, b'{"error":"bad request"}'),
    "429": Reply(429, {**JSON, "retry-after": str(WAIT_S)}, b'{"error":"too many requests"}'),
    "timeout": Fault("timeout", "the vendor did not answer in time", sent=True),
    "garbage": Reply(200, JSON, Garbage().content()),
}
"""By the words that people ask with."""

TOKEN = Reply(200, JSON, b'{"access_token":"TOKEN","expires_in":3600}')
"""What a private request gets: it asks for a token."""

STATES: Mapping[type[Outcome], str] = {
    Delivered: "delivered", Reject: "dead", RetryLater: "retrying", Pause: "paused", Split: "split", Skip: "skipped",
}  # fmt: skip


def answer_of(words: str) -> Reply | Fault:
    """One of ANSWERS, or the answer with another status and body, as "STATUS" or "STATUS:BODY". Raises ValueError."""
    if words in ANSWERS:
        return ANSWERS[words]
    status, _, body = words.partition(":")
    if re.fullmatch(r"[2-5][0-9]{2}", status) is None:
        names = ", ".join(name for name in ANSWERS if not name.isdecimal())
        raise ValueError(f"{status!r} is no status from 200 to 599, and none of {names}")
    return Reply(int(status), JSON, body.encode())


class MadeUp:
    """A client that sends nothing, and always gets the same answer."""

    in_flight = 0

    def __init__(self, answer: Reply | Fault) -> None:
        self._answer = answer

    def start(self, request: Request, on_done: OnDone) -> Exchange:
        """No part of a trial sends in this way."""
        raise NotImplementedError

    async def send(self, request: Request) -> Reply:
        """The answer. Raises Fault, also for a request that could not be sent."""
        Heads().of(request)
        if request.private:
            return TOKEN
        if isinstance(self._answer, Fault):
            raise self._answer
        return self._answer

    async def close(self) -> None:
        """There is nothing to close."""


async def answered(
    destination: Destination, items: list[Item], answer: str | Answers, user_key: str
) -> dict[str, Any] | None:
    """What becomes of these items, all of one kind, when the vendor answers so; None where the plugin has no `request`.

    Args:
        answer: see `answer_of`; or what the author of the plugin wrote for its tests.

    Returns:
        `{"answer", "outcomes": [{"outcome", "reason", "detail"}], "destination", "counts"}`: one outcome an item; what follows for
        the whole destination (`{"state", "reason", "for_s"}`, or None); whether it counts as an attempt of the event. `answer` is ""
        where nothing reaches the vendor: the plugin makes no request, or one that cannot be sent.

    Raises:
        VendorFault: what its author wrote raises.
    """
    if "request" not in destination.hooks:  # its `deliver` may do anything, write a file for instance
        return None
    if isinstance(answer, str):
        attempt = Attempt(destination, MadeUp(answer_of(answer)), SystemClock())
        outcomes = await _outcomes(destination, items, attempt)
    else:
        own = OwnAnswers(answer)
        attempt = Attempt(destination, OwnVendor(own), SystemClock())
        try:
            outcomes = await _outcomes(destination, items, attempt)
        finally:
            own.raise_fault()
    verdict = judge(attempt.status, attempt.retry_after_s, outcomes, [user_key])
    return {
        "answer": _came(attempt, answer),
        "outcomes": [_told(outcome, destination) for outcome in verdict.outcomes],
        "destination": _of_destination(verdict, destination),
        "counts": verdict.burns_attempt and not any(isinstance(outcome, Pause) for outcome in verdict.outcomes),
    }


async def _outcomes(destination: Destination, items: list[Item], attempt: Attempt) -> list[Outcome]:
    if "deliver" in destination.hooks:
        return await call_deliver(destination, items, attempt)
    n = len(items)
    try:
        request = destination.hooks["request"](items)
        attempt.note(request)
    except (Reject, RetryLater, Pause, Split) as outcome:
        return per_item(destination, outcome, n)
    except BaseException as error:  # a hook that runs in one go is ended by nobody: whatever it raises is its own
        return per_item(destination, bad_call(destination, "request", error, n), n)
    try:
        result: Reply | Fault = await attempt.client.send(request)
    except Fault as fault:
        result = fault
    return read_result(destination, items, attempt, result)


def _came(attempt: Attempt, answer: str | Answers) -> str:
    """What the vendor answers, in a word or two; "" where nothing reaches it."""
    if attempt.answer is None and not attempt.error:
        return ""
    if isinstance(answer, str):
        return answer.partition(":")[0]
    return "nothing" if attempt.error else str(attempt.status)


def _told(outcome: Outcome, destination: Destination) -> dict[str, Any]:
    state = next(word for kind, word in STATES.items() if isinstance(outcome, kind))
    detail = destination.redact(outcome.warning if isinstance(outcome, Delivered) else getattr(outcome, "detail", ""))
    return {"outcome": state, "reason": getattr(outcome, "reason", ""), "detail": detail}


def _of_destination(verdict: Verdict, destination: Destination) -> dict[str, Any] | None:
    """The gravest of what follows for all of its events."""
    for health in reversed(verdict.health):
        match health:
            case Stop(pause=pause):
                return {"state": "paused", "reason": pause.reason, "for_s": pause.after_s}
            case Wait(seconds=seconds):
                return {"state": "paused", "reason": "retry_after", "for_s": seconds}
            case Failed(reason=reason):
                return {"state": "failed", "reason": reason, "for_s": None}
    return None
