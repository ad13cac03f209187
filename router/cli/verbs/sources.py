"""`sources`: who may send, and what was mended in their calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.cli.data_source import open_data_source
from router.cli.intake_tables import consent_of, say_intake
from router.cli.options import Common, asks
from router.cli.output import say, say_json, say_table
from router.explain.figures import count
from router.explain.mended import mended_in
from router.vocabulary import MASK


@asks
def sources(common: Common) -> None:
    """Show the sources: write keys, origins, consent and plans.

    A write key is shown by its end. Below the table: what each source drops and hashes, its tracking plan, and what was corrected in
    its calls since the daemon's start.

    Examples:
        sources
        sources --json
    """
    with open_data_source(common) as data:
        found = data.sources()
    if common.as_json:
        say_json(found)
        return
    rows = found["sources"]
    say_table(
        ["source", "kind", "write keys", "enabled", "strict", "consent", "origins"],
        [
            [
                row["name"],
                row["kind"],
                _keys(row),
                *("yes" if row[key] else "no" for key in ("enabled", "strict")),
                consent_of(row),
                ", ".join(row["origins"]),
            ]
            for row in rows
        ],
        wrap=["write keys", "origins"],
    )
    say_intake(rows)
    for row in rows:
        for one in mended_in(row):
            sent_by = f"; sent by {', '.join(one.libraries)}" if one.libraries else ""
            say(f"{row['name']}: {one.field} {one.sentence}, {count(one.n, 'time')}{sent_by}")


def _keys(row: Mapping[str, Any]) -> str:
    """The ends of its write keys."""
    return ", ".join(f"…{key['ending']}" if key["ending"] else MASK for key in row.get("keys", ())) or "-"
