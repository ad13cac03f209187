"""The Line: how what was accepted for a destination came to its ends, step by step, each number with the list behind it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from router.console.words import path

STEPS = ("filtered", "skipped", "held", "queued", "retrying", "dead", "delivered")
"""In the order in which an event meets them. The seven add up to what was accepted."""
LISTS = {"held": "held", "dead": "dead"}
"""States that have a page of their own below the destination's."""


class Step(NamedTuple):
    """One number of the Line."""

    word: str
    n: int
    share: float  #: of what was accepted; 0 where nothing was
    address: str
    parts: Sequence[str]  #: what it is made of, in words


def the_line(name: str, counts: Mapping[str, int], parts: Mapping[str, Sequence[str]]) -> list[Step]:
    """The steps of a destination.

    Args:
        counts: events by state, of any period; a state that is not there counts as 0. `accepted`: what they are a share of, where
            they need not add up to it.
        parts: what is known of a state beyond its number, in words.
    """
    accepted = counts.get("accepted", sum(counts.get(word, 0) for word in STEPS))
    whole = Step("accepted", accepted, 1.0 if accepted else 0.0, "/events", parts.get("accepted", ()))
    return [
        whole,
        *(
            Step(
                word,
                n := counts.get(word, 0),
                min(1.0, n / accepted) if accepted else 0.0,
                address_of(name, word),
                parts.get(word, ()),
            )
            for word in STEPS
        ),
    ]


def address_of(name: str, word: str) -> str:
    """The list behind a number."""
    if word in LISTS:
        return path("destinations", name, LISTS[word])
    return f"/events?state={word}@{name}"


def per_cent(share: float) -> str:
    """`12.5 %`; what is there is never shown as nothing, and what is left never as all."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %"
