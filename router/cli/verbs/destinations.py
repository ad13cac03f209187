"""`destinations`: what is configured to receive, and how it is. Its verbs `show`, `test` and `drop` have files of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from router.cli.data_source import open_data_source
from router.cli.options import Common, asks
from router.cli.output import say, say_json, say_table, say_wrapped
from router.cli.removed import removed_lines
from router.cli.style import state
from router.explain import destination_phrases
from router.explain.figures import count

WAITING = ("held", "retrying", "queued")


@asks
def destinations(common: Common, context: typer.Context) -> None:
    """Show the destinations and how they are.

    Examples:
        destinations
        destinations braze
        destinations test braze
    """
    if context.invoked_subcommand is not None:
        return
    with open_data_source(common) as data:
        found = data.destinations()
    if common.as_json:
        say_json(found)
        return
    rows = found["destinations"]
    say_table(
        ["destination", "plugin", "mode", "state", "waiting", "dead", "sources"],
        [
            [
                *(row[key] for key in ("name", "plugin", "mode")),
                state(row["state"]),
                sum(row.get(number, 0) for number in WAITING),
                row.get("dead", 0),
                ", ".join(row["sources"]),
            ]
            for row in rows
        ],
        cut=["destination", "plugin"],
        wrap=["sources"],
    )
    sentences = [*(sentence for row in rows for sentence in _sentences(row)), *removed_lines(found, common)]
    if sentences:
        say("")
    for sentence in sentences:
        say_wrapped(sentence)


def _sentences(row: Mapping[str, Any]) -> Iterator[str]:
    """What is to be said of a destination beyond its row in the table."""
    if waits := destination_phrases.waits_of(row["name"], row["waiting"]):
        yield waits
    if trouble := destination_phrases.trouble_of(row["name"], row):
        yield trouble
    if second := destination_phrases.second_sendings(row["name"], row):
        yield second
    if timers := destination_phrases.timers_of(row, row["name"]):
        yield timers
    yield from destination_phrases.slow_hooks(row)
    for reason, n in row.get("warnings", {}).items():
        mapped = row.get("mapped", 0)
        share = f" ({n / mapped:.1%})" if 0 < n <= mapped else ""
        yield f"{row['name']} warned of {reason} {count(n, 'time')} while it mapped {count(mapped, 'event')}{share}"
