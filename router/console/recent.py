"""What today's configuration would make of the newest events, beside what became of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

KEPT_BACK = ("filtered", "skipped")


class OtherOutcome(NamedTuple):
    """An event that would come to something else today."""

    message_id: str
    source: str
    type: str
    then: str
    then_reason: str
    now: str
    now_reason: str


class Recent(NamedTuple):
    """The newest events, tried once more."""

    looked_at: int
    outcomes: Sequence[tuple[str, str, int]]  #: outcome, reason and number, the most frequent first
    changes: Sequence[OtherOutcome]


def compared(events: Sequence[tuple[Any, str, str]], tried: Sequence[Mapping[str, Any]]) -> Recent:
    """What was, and what would be.

    Args:
        events: each call with its state and reason.
        tried: what a trial made of each of them, in the same order.
    """
    outcomes = Counter((_word(told), told["reason"]) for told in tried)
    changes = [
        OtherOutcome(call.message_id, call.source, call.type, state, reason, _word(told), told["reason"])
        for (call, state, reason), told in zip(events, tried, strict=True)
        if _kept_back(state, reason) != _kept_back(_word(told), told["reason"])
    ]
    return Recent(len(events), [(*kind, n) for kind, n in outcomes.most_common()], changes)


def _word(told: Mapping[str, Any]) -> str:
    return "sent" if told["outcome"] == "deliver" else str(told["outcome"])


def _kept_back(state: str, reason: str) -> tuple[str, str] | None:
    """Why it does not go out at all; None: it goes, sooner or later, or was tried."""
    return (state, reason) if state in KEPT_BACK else None
