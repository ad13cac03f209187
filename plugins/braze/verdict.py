"""What an answer of Braze means: which status, and which word in the body, becomes which outcome.

    2xx                  object by object: delivered, or rejected where `errors` names it
    2xx, not JSON        Pause `set_up`: it is not Braze that answers there
    400 of several items those that `errors` names are rejected, the others are sent again in halves
    429                  RetryLater, after Retry-After or Braze's own header
    everything else      `by_status` of `router/plugin.py`

Source: https://www.braze.com/docs/api/errors/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plugins.braze.kinds import IDENTIFY
from router.plugin import (
    JSON,
    Answer,
    Delivered,
    Item,
    Outcome,
    Pause,
    Reject,
    RetryLater,
    as_number,
    by_status,
)


def read_answer(items: Sequence[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
    """One outcome for all items, or one for each in their order."""
    outcome = by_status(answer, len(items))
    if answer.status == 429:
        return RetryLater("status_429", after_s=wait_s(answer))
    if isinstance(outcome, Delivered):
        body = answer.json()
        if answer.body.strip() and not isinstance(body, dict):
            return not_braze(answer)
        if items[0].kind == IDENTIFY and body:
            body = {
                **body,
                "errors": None,
            }  # an error here names an alias that no profile has, so there is nothing to merge
        return read_success(items, body)
    if answer.status == 400 and len(items) > 1:
        refused = read_errors(items, answer.json())
        return [refused.get(at, outcome) for at in range(len(items))]
    return outcome


def not_braze(answer: Answer) -> Pause:
    """A success that Braze cannot have sent: what we sent has not arrived there."""
    words = f"status {answer.status}, but the answer is none of Braze's; is base_url the REST endpoint?"
    return Pause("set_up", words)


def read_success(items: Sequence[Item], body: JSON) -> Outcome | Sequence[Outcome]:
    """What a 2xx says: all taken, some objects refused beside it, or (with another message) everything refused."""
    if not isinstance(body, dict):
        return Delivered()
    message, refused = body.get("message"), read_errors(items, body)
    taken = message is None or message in ("success", "queued")
    if not taken or (body.get("errors") and not refused and len(items) == 1):
        words = f"{message}: {body['errors']}" if body.get("errors") else str(message)
        rest: Outcome = Reject("rejected", words[:500])
    else:
        rest = Delivered()
    return [refused.get(at, rest) for at in range(len(items))]


def read_errors(items: Sequence[Item], body: JSON) -> dict[int, Outcome]:
    """The items that `errors` names, by their place in `items`. An index counts within its own `input_array`."""
    owners: dict[str, list[int]] = {}
    for at, item in enumerate(items):
        for array, objects in item.body.items():
            owners.setdefault(array, []).extend([at] * len(objects))
    words: dict[int, list[str]] = {}
    for array, index, kind in _named(body):
        if 0 <= index < len(owners.get(array, ())):
            words.setdefault(owners[array][index], []).append(f"{array}: {kind}")
    return {at: Reject("rejected", "; ".join(said)[:500]) for at, said in words.items()}


def _named(body: JSON) -> Iterator[tuple[str, int, str]]:
    errors = body.get("errors") if isinstance(body, dict) else None
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict):
            array, index = error.get("input_array"), error.get("index")
            if isinstance(array, str) and isinstance(index, int):
                yield array, index, str(error.get("type"))


def wait_s(answer: Answer) -> float | None:
    """How long a 429 asks us to wait: Retry-After or X-RateLimit-Reset, which the router has read, else Braze's own header."""
    if answer.retry_after_s is not None:
        return answer.retry_after_s
    after = as_number(answer.headers.get("x-ratelimit-retry-after"))
    return None if after is None else max(0.0, float(after))
