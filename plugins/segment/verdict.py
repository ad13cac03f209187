"""What an answer of a Segment-compatible API means: which status becomes which outcome.

    2xx                        delivered
    2xx with a web page        Pause `set_up`: no such API answers there
    2xx, `"success": false`    the batch is sent again in halves; a single event is rejected
    400 that names the key     Pause `credentials`, if nobody's events are taken
    everything else            `by_status` of `router/plugin.py`: 429 and 5xx are retried, another 400 is split

Source: https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/
"""

from __future__ import annotations

import re

from router.plugin import Answer, Delivered, Outcome, Pause, Reject, Split, by_status, excerpt

_NAMES_KEY = re.compile(rb"write[ _-]?key", re.IGNORECASE)


def read_answer(answer: Answer, n: int) -> Outcome:
    """The outcome of a request of `n` items."""
    if answer.status == 400 and _NAMES_KEY.search(answer.body):
        return Pause("credentials", f"status 400: {excerpt(answer.body)}", sure=False)
    outcome = by_status(answer, n)
    if not isinstance(outcome, Delivered):
        return outcome
    if answer.body.lstrip().startswith(b"<"):
        return Pause("set_up", f"status {answer.status}, but the answer is a web page; is base_url right?")
    told = answer.json()
    if isinstance(told, dict) and told.get("success") is False:
        words = f"status {answer.status}: {excerpt(answer.body)}"
        return Split("rejected", words) if n > 1 else Reject("rejected", words)
    return outcome


def read_check(answer: Answer) -> str:
    """What the answer to a batch without events says of the key. Raises the outcome where it is bad."""
    outcome = read_answer(answer, 1)
    if isinstance(outcome, Delivered):
        return "the API takes a batch with our key; no event was in it"
    if isinstance(outcome, Reject) and answer.status == 400 and isinstance(answer.json(), dict):
        return "the API refused a batch without events and said nothing against our key; nothing was stored"
    assert isinstance(outcome, Exception)
    raise outcome
