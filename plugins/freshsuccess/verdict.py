"""What an answer of Freshsuccess means: which status, and which word in the body, becomes which outcome.

2xx of the Event API      delivered
2xx of the Account API    record by record: delivered, rejected, or RetryLater where an account may still come
everything else           `by_status` of `router/plugin.py`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plugins.freshsuccess.lines import EVENTS
from router.plugin import JSON, Answer, Delivered, Item, Outcome, Reject, RetryLater, Split, by_status

ACCOUNT_MAY_COME_S = 3600.0
"""How long a user is tried again whose account the vendor does not know."""


def read_answer(items: Sequence[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
    """One outcome for all items, or one for each in their order."""
    outcome = by_status(answer, len(items))
    if items[0].kind == EVENTS or not isinstance(outcome, Delivered):
        return outcome
    return read_results(answer.json(), len(items))


def read_results(body: JSON, n: int) -> Outcome | Sequence[Outcome]:
    """The outcomes of `n` records of a 2xx: written, refused, or not written because of another record (Split)."""
    if not isinstance(body, dict) or not isinstance(body.get("status_is_ok"), bool):
        return RetryLater("unreadable_answer")
    failures = body.get("failed_results")
    failures = [failure for failure in failures if isinstance(failure, dict)] if isinstance(failures, list) else []
    named = {failure["record"]: refusal(failure) for failure in failures if is_index(failure.get("record"), n)}
    message = str(body.get("message") or (failures[0].get("message") if failures else "status_is_ok: false"))
    if body["status_is_ok"]:
        if len(named) < len(failures):
            return refusal(failures[0]) if n == 1 else Split("rejected", message)
        rest: Outcome = Delivered()
    else:
        rest = Split("batch_refused", message) if named and n > 1 else Reject("rejected", message)
    return [named.get(at, rest) for at in range(n)]


def is_index(given: JSON, n: int) -> bool:
    """Whether it is the place of one of `n` records, counted from 0."""
    return isinstance(given, int) and not isinstance(given, bool) and 0 <= given < n


def refusal(failure: Mapping[str, JSON]) -> Outcome:
    """What the vendor's message about one record means. An account may still come, so its user waits an hour."""
    message = str(failure.get("message"))
    if message.strip().rstrip(".").lower() == "account not found":
        return RetryLater("account_not_found", message, for_s=ACCOUNT_MAY_COME_S)
    return Reject("rejected", message)
