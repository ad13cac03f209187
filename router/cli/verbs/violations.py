"""`violations`: what does not fit the tracking plans of the sources."""

from __future__ import annotations

from typing import Annotated

import typer

from router.cli.data_source import open_data_source
from router.cli.options import Common, asks
from router.cli.output import say, say_json, say_table
from router.explain.figures import count, short_instant

OfSource = Annotated[str | None, typer.Argument(metavar="[SOURCE]", help="Only calls of this source.")]
OfEvent = Annotated[str | None, typer.Option("--event", metavar="NAME", help="Only events of this name.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="WHEN", help="Only what was met since then: a time, or e.g. 24h.")
]


@asks
def violations(common: Common, source: OfSource = None, event: OfEvent = None, since: Since = None) -> None:
    """Show what violates the tracking plans of the sources.

    The most frequent first. `calls` counts since the first one; --json shows the message ids of the last five. `why` shows what the
    plan says of one event.

    Examples:
        violations
        violations website --since 24h
        violations --event "Order Completed" --json
    """
    with open_data_source(common) as data:
        found = data.violations(source, event, since)
    if common.as_json:
        say_json(found)
        return
    if not found["items"]:
        say(
            "no violation was met"
            + (f" in calls of {source}; `sources` shows which sources have a plan" if source else "")
        )
        return
    say_table(
        ["source", "event", "type", "field", "calls", "last (UTC)"],
        [
            [row["source"], row["event"], row["type"], row["field"], row["count"], short_instant(row["last"])]
            for row in found["items"]
        ],
        cut=["source", "event"],
        ids=[row["message_ids"][-1] if row["message_ids"] else "" for row in found["items"]],
    )
    if found["left_out"]:
        say("", f"{count(found['left_out'], 'further kind')}; name a source or an event to see fewer")
