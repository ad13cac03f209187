"""`errors`: why events of a destination are dead or retrying, like with like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.cli.data_source import open_data_source
from router.cli.options import Common, OneDestination, asks
from router.cli.output import say, say_json, say_table, say_wrapped
from router.cli.style import BOLD
from router.explain import destination_phrases
from router.explain.figures import count, short_instant


@asks
def errors(common: Common, destination: OneDestination = None) -> None:
    """Show why events at a destination are dead or retrying.

    Answers of the vendor with the same words are counted together, with who can act and how. It looks at the newest 1,000 events that
    are dead or retrying. Ids, numbers and addresses are cut out of the words. Events of a destination that is paused only wait; why it is
    paused is told below.

    Examples:
        errors
        errors braze
    """
    with open_data_source(common) as data:
        states = data.ledger()["destinations"]
        found = {name: data.errors(name) for name in ([destination] if destination else states)}
    if common.as_json:
        say_json(found[destination] if destination else {"destinations": found})
        return
    failing = {name: page for name, page in found.items() if page["items"]}
    if not failing:
        say("no event is dead or retrying" + (f" at {destination}" if destination else ""))
    for number, (name, page) in enumerate(failing.items()):
        if not destination:
            say(*([""] if number else []))
            say(f"{name}:", style=BOLD)
        _say_errors(page)
    for name in found:
        if (trouble := destination_phrases.trouble_of(name, states.get(name, {}))) is not None:
            say_wrapped(trouble)


def _say_errors(found: Mapping[str, Any]) -> None:
    """What fails at one destination, and who can mend it."""
    say_table(
        ["times", "state", "status", "last (UTC)", "words"],
        [
            [
                row["count"],
                row["state"],
                row["status"] or "-",
                short_instant(row["last"]),
                row["words"] or row["reason"],
            ]
            for row in found["items"]
        ],
        wrap=["words"],
        ids=[row["message_id"] or "" for row in found["items"]],
    )
    say("")
    for sentence in dict.fromkeys(_advice(row) for row in found["items"]):
        say_wrapped(sentence)
    if not found["is_all"]:
        say_wrapped(f"of the newest {count(found['looked_at'], 'event')} only; older ones were not looked at")


def _advice(row: dict[str, Any]) -> str:
    return f"{row['state']} {row['reason']}: {row['meaning']}; {row['who_acts']}: {row['next_step']}"
