"""What Braze's answers say of each item, and how long it asks us to wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from router.plugin import JSON, Answer, Delivered, Item, Outcome, Reject, as_number


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
