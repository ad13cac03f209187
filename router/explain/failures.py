"""What vendors answered, like with like: a thousand failures are mostly one or two causes. Pure: what the admin API gives, in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from router.explain.event_phrases import without_status
from router.explain.reasons import Reason, reason_of

CUT = "…"
"""Stands for an id, a number or an address in the vendor's words."""
NEWEST = 1_000
"""Dead and retrying events that are looked at, unless somebody asks for fewer."""
MAX_WORDS = 200
MAX_KINDS = 100
"""Kinds that are told apart; what is beyond is counted as left out."""

_WORD = re.compile(r"[^\s<>\"'(){}\[\],;=]+")
_VARIES = re.compile(r"[\d@]")
"""A word varies that has a digit or an @ in it: ids, numbers, instants, UUIDs, e-mail addresses. One character tells, so words of any
shape are looked at in one go: 12 ms for a thousand answers."""


class Alike(NamedTuple):
    """Failures of one kind."""

    state: str  #: dead | retrying
    reason: str
    status: int | None
    words: str  #: the vendor's, with what varies cut out
    times: int
    first: str
    last: str
    sample: str | None  #: the message id of the newest
    meaning: Reason


def like_with_like(failures: Iterable[Mapping[str, Any]]) -> list[Alike]:
    """The kinds of failures, the most frequent first. `failures`: newest first, as `OutputReports.failures` gives them."""
    found: dict[tuple[str, str, int | None, str], Alike] = {}
    for one in failures:
        kind = one["state"], one["reason"], one["status"], shape(one["words"], one["reason"], one["status"])
        if (before := found.get(kind)) is not None:
            found[kind] = before._replace(times=before.times + 1, first=one["at"])
        elif len(found) < MAX_KINDS:
            meaning = reason_of(one["state"], one["reason"])
            found[kind] = Alike(*kind, 1, one["at"], one["at"], one["message_id"], meaning)
    return sorted(found.values(), key=lambda alike: alike.times, reverse=True)


def shape(words: str, reason: str = "", status: int | None = None) -> str:
    """The line of the words that says what is wrong, with ids, numbers and addresses cut out: `user … is not known`."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    if not lines:
        return ""
    line = lines[-1] if reason == "plugin_error" else lines[0]  # a traceback ends with the exception
    told = without_status(line, status) if status else line
    if told == f"status {status}":
        return ""
    cut = _WORD.sub(lambda word: CUT if _VARIES.search(word[0]) else word[0], told[: 4 * MAX_WORDS])
    return re.sub(rf"{CUT}(\s*{CUT})+", CUT, cut)[:MAX_WORDS]


def described(failures: list[dict[str, Any]], most: int) -> dict[str, Any]:
    """As the admin API gives them: `{"items", "looked_at", "is_all"}`."""
    items = [
        {
            "state": alike.state,
            "reason": alike.reason,
            "status": alike.status,
            "words": alike.words,
            "count": alike.times,
            "first": alike.first,
            "last": alike.last,
            "message_id": alike.sample,
            "meaning": alike.meaning.sentence,
            "cause": alike.meaning.cause,
            "who_acts": alike.meaning.actor.value,
            "next_step": alike.meaning.next_step,
        }
        for alike in like_with_like(failures)
    ]
    return {"items": items, "looked_at": len(failures), "is_all": len(failures) < most}
