"""What somebody should know of now, as sentences with the next step. Pure: what the admin API gives, in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from router.explain.figures import count
from router.explain.reasons import Actor, reason_of

MAX_DETAIL = 200


class Trouble(NamedTuple):
    """One cause, whatever the number of events behind it."""

    code: str
    subject: str  #: a destination, a source, or "router"
    sentence: str
    next_step: str
    actor: Actor
    since: str | None = None  #: an instant of the admin API
    until: str | None = None  #: when it goes on or tries by itself
    waiting: int = 0  #: events that wait because of it


def troubles(problems: Sequence[str], destinations: Sequence[Mapping[str, Any]]) -> list[Trouble]:
    """All of them, gravest first.

    Args:
        problems: of the daemon and its store, as `/healthz` gives them.
        destinations: rows of `/api/destinations`.
    """
    found = [
        Trouble("problem", "router", words, "see the page about troubleshooting", Actor.OPERATOR) for words in problems
    ]
    for row in destinations:
        found += _of_destination(row)
    return found


def _of_destination(row: Mapping[str, Any]) -> Iterator[Trouble]:
    waiting = row["queued"] + row["retrying"]
    pause = row.get("pause")
    if pause is not None:
        reason = reason_of("breaker_open" if pause["state"] == "breaker_open" else "paused", pause["reason"])
        detail = (pause["detail"] or "").partition("\n")[0][:MAX_DETAIL]
        words = f"fails again and again: {reason.sentence}" if pause["state"] == "breaker_open" else reason.sentence
        yield Trouble(
            pause["reason"] if pause["state"] == "paused" else "breaker_open",
            row["name"],
            words + (f" ({detail})" if detail else ""),
            reason.next_step,
            reason.actor,
            pause["since"],
            pause["next_probe_at"] or pause["ends_at"],
            waiting,
        )
    if row["dead"]:
        words = f"{count(row['dead'], 'event')} the tool did not take"
        yield Trouble("dead", row["name"], words, "see why, correct the cause, then replay", Actor.OPERATOR)
