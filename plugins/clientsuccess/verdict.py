"""What an answer of ClientSuccess means: which status, and which word in the body, becomes which outcome.

2xx with "created": false  rejected: the collector dropped the event
everything else            `by_status` of `router/plugin.py`
"""

from __future__ import annotations

from router.plugin import Answer, Delivered, Outcome, Reject, by_status


def read_answer(answer: Answer, n: int) -> Outcome:
    """The outcome of a request of `n` items."""
    outcome = by_status(answer, n)
    if isinstance(outcome, Delivered):
        body = answer.json()
        if isinstance(body, dict) and body.get("created") is False:
            return Reject("rejected", f'status {answer.status}: "created": false')
    return outcome
