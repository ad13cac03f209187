"""`discards`: calls that were answered 200 and could not be used."""

from __future__ import annotations

from router.cli.data_source import open_data_source
from router.cli.options import Common, asks
from router.cli.output import say, say_json, say_table, warn
from router.explain.figures import short_instant


@asks
def discards(common: Common) -> None:
    """Show calls that could not be used, and why.

    They were answered 200 and are nowhere else; requests that were refused for good are among them. Counts, and the newest ones;
    --json shows the beginning of each.

    Examples:
        discards
        discards --json
    """
    with open_data_source(common) as data:
        found = data.discards()
    if common.as_json:
        say_json(found)
        return
    if not found["counts"]:
        say("nothing was discarded")
        return
    say_table(
        ["source", "code", "calls or requests"],
        [[source, code, n] for source, codes in found["counts"].items() for code, n in codes.items()],
    )
    say("")
    say_table(
        ["at (UTC)", "source", "type", "why"],
        [[short_instant(row["at"]), row["source"], row["type"], row["message"]] for row in found["items"]],
        cut=["source"],
        wrap=["why"],
        ids=[row["message_id"] for row in found["items"]],
    )
    if not found["items"]:
        warn("the calls themselves are no longer kept")
