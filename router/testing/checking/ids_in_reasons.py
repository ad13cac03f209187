"""Reasons that hold an id of the event, and so differ from event to event."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from router.plugin import Pause, Reject, RetryLater, Skip
from router.testing.checking.event_variants import with_other_id
from router.testing.checking.mapping_runs import Observed, observe
from router.testing.checking.subject import Subject

__all__ = ["RAISED", "WORD", "follows_the_event", "ids_in_reasons"]

WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,63}", re.ASCII)
"""What a reason is."""
RAISED = (Skip, Reject, RetryLater, Pause)
LEAST_ID = 4
"""Characters. Fewer may be a part of any word."""


def ids_in_reasons(observed: Sequence[Observed]) -> Iterator[tuple[Observed, str, str]]:
    """An event, a reason and an id of each reason that has an id of all its events in it."""
    told: dict[str, list[Observed]] = {}
    for one in observed:
        for reason in _reasons(one):
            told.setdefault(reason, []).append(one)
    for reason, ones in told.items():
        common = set.intersection(*({id for id in _long_ids(one) if id in reason} for one in ones))
        yield from ((ones[0], reason, id) for id in sorted(common))


def _reasons(one: Observed) -> list[str]:
    """The words that a call has given as reasons."""
    raised = [one.made.outcome.reason] if isinstance(one.made.outcome, RAISED) else []
    told = [*raised, *(word for word, _ in (one.context.warned if one.context else ()))]
    return [reason for reason in told if isinstance(reason, str) and WORD.fullmatch(reason)]


def follows_the_event(subject: Subject, one: Observed, reason: str, id: str) -> bool:
    """Whether the reason has another id in it where the event has: else it is a constant that looks like the id, such as `test_user`."""
    other = f"{id}x7"
    if one.event_before is None:
        return False
    seen = observe(subject.make(), {"call": with_other_id(one.event_before, id, other)}, subject.package)
    return any(reason.replace(id, other) in _reasons(it) for it in seen)


def _long_ids(one: Observed) -> list[str]:
    """The ids of an event that are long enough to be seen in a word."""
    event = one.event_before
    ids = (event.user_id, event.anonymous_id, event.group_id, event.previous_id, event.message_id) if event else ()
    return [id for id in ids if id and len(id) >= LEAST_ID]
