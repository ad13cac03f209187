"""What an answer of the receiver means: which status becomes which outcome.

a status in `final_statuses`  the event is a dead letter; of a batch, it is sent again in halves
everything else               `by_status` of `router/plugin.py`
"""

from __future__ import annotations

from collections.abc import Collection

from router.plugin import Answer, Outcome, Split, by_status, excerpt

NEVER_FINAL = {401, 429}
"""These speak of the sender, not of the event: as final statuses they would make every event a dead letter."""


def read_answer(answer: Answer, n: int, final_statuses: Collection[int]) -> Outcome:
    """The outcome of a request of `n` items."""
    if answer.status not in final_statuses:
        return by_status(answer, n)
    return Split("rejected", f"status_{answer.status}: {excerpt(answer.body)}")
