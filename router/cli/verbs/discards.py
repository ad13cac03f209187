"""`discards`: calls that were answered 200 and could not be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.cli.data_source import DataSource, open_data_source
from router.cli.endpoint import Failed
from router.cli.options import Common, Since, Source, asks
from router.cli.output import say, say_json, say_table, say_wrapped, warn
from router.explain.discards import discard_of
from router.explain.figures import instant, short_instant

SHOWN = 30
"""So many rows of the table by day are shown; --json has all."""


@asks
def discards(common: Common, source: Source = None, since: Since = None) -> None:
    """Show calls that could not be used, and why.

    They were answered 200 and are nowhere else; requests that were refused for good are among them. Counts, what to do about each code, counts
    by day (UTC), and the newest ones; --json shows the beginning of each. Without --since, the counts are of all time. With it, and by day, they are of the
    entries that are kept: the newest 10,000.

    Examples:
        discards
        discards --source website --since 24h
        discards --json
    """
    with open_data_source(common) as data:
        found = data.discards(source, since)
        if source and not found["counts"]:
            _refuse_unknown(source, data)
    if common.as_json:
        say_json(found)
        return
    period = _period(found, bool(since))
    if not found["counts"]:
        say(f"nothing was discarded{f' of {source}' if source else ''} {period}")
        return
    say(f"discarded {period}:")
    say_table(
        ["source", "code", "entries" if since else "calls or requests"],
        [[name, code, n] for name, codes in found["counts"].items() for code, n in codes.items()],
    )
    for code in dict.fromkeys(code for codes in found["counts"].values() for code in codes):
        meaning = discard_of(code)
        say_wrapped(f"{code}: {meaning.sentence}; {meaning.actor}: {meaning.next_step}")
    _say_days(found.get("days", []))
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


def _refuse_unknown(source: str, data: DataSource) -> None:
    """Raises Failed for the name of no source."""
    known = [one["name"] for one in data.sources()["sources"]]
    if source not in known:
        raise Failed(f"no source {source!r}; configured: {', '.join(known) or 'none'}")


def _say_days(days: Sequence[Mapping[str, Any]]) -> None:
    """The entries that are kept, by day, the newest first."""
    if days:
        say("")
        rows = [[row["day"], row["source"], row["code"], row["entries"]] for row in days[:SHOWN]]
        say_table(["day (UTC)", "source", "code", "entries"], rows, cut=["source"])
    if len(days) > SHOWN:
        warn(f"the first {SHOWN} of {len(days)} rows by day; --json has all")


def _period(found: Mapping[str, Any], is_chosen: bool) -> str:
    """From when on the counts are."""
    if found["since"] is None:
        return "since the store was made"
    return f"since {instant(found['since'])}{'' if is_chosen else ', when the store was made'}"
