"""`errors`: why events of a destination are dead or retrying, like with like."""

from __future__ import annotations

from typing import Any

from router.cli.data_source import open_data_source
from router.cli.options import Common, DestinationName, asks
from router.cli.output import say, say_json, say_table, say_wrapped
from router.explain.figures import count, short_instant


@asks
def errors(common: Common, destination: DestinationName) -> None:
    """Show why events at a destination are dead or retrying.

    Answers of the vendor with the same words are counted together, with who can act and how. It looks at the newest 1,000 events that
    are dead or retrying. Ids, numbers and addresses are cut out of the words.

    Examples:
        errors braze
    """
    with open_data_source(common) as data:
        found = data.errors(destination)
    if common.as_json:
        say_json(found)
        return
    if not found["items"]:
        say(f"no event is dead or retrying at {destination}")
        return
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
