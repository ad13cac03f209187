"""The table of counts by destination, which `status` and `ledger` show, and whether it adds up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.cli.output import say_table, say_wrapped
from router.cli.style import state
from router.explain import destination_phrases
from router.explain.figures import count

SEVEN = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")


def say_accepted(ledger: Mapping[str, Any]) -> None:
    """Print what was accepted."""
    accepted, duplicates = count(ledger["accepted"], "event"), count(ledger["duplicates"], "duplicate")
    discarded = count(ledger["discarded"], "call")
    say_wrapped(f"accepted {accepted}; {duplicates} ignored; {discarded} discarded (see `discards`)")


def say_counts(ledger: Mapping[str, Any], states: Sequence[str] = SEVEN, *, how: bool = False) -> None:
    """Print a row of counts for each destination. `how`: also how it is; there is room for few states beside that."""
    rows = [
        [name, *([counts.get("mode", "-"), state(counts["state"])] if how else []), *(counts[of] for of in states)]
        for name, counts in ledger["destinations"].items()
    ]
    if rows:
        say_table(["destination", *(["mode", "state"] if how else []), *states], rows, cut=["destination"])
    left_out = [of for of in SEVEN if of not in states]
    for name, counts in ledger["destinations"].items():
        if more := destination_phrases.further(name, {of: counts[of] for of in left_out}):
            say_wrapped(more)
        for sentence in destination_phrases.beside(name, counts):
            say_wrapped(sentence)


def check_sums(ledger: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Two lists of sentences: the destinations whose counts do not add up, and those whose counts do."""
    wrong, right = [], []
    for name, counts in ledger["destinations"].items():
        total = sum(counts[state] for state in SEVEN)
        if total > ledger["accepted"] or any(counts[state] < 0 for state in SEVEN):
            wrong.append(f"{name}: the seven states DO NOT add up: {total} of {ledger['accepted']} accepted")
        else:
            right.append(destination_phrases.adds_up(name, total, ledger["accepted"]))
    return wrong, right
