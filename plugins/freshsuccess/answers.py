"""What the Account API's answers say of each record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.plugin import JSON, Delivered, Outcome, Reject, RetryLater, Split

ACCOUNT_MAY_COME_S = 3600.0


def read_results(body: JSON, n: int) -> Outcome | Sequence[Outcome]:
    """What a 2xx says of `n` records: written, or refused one by one, or (Split) not written because of others."""
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
