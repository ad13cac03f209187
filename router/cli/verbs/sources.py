"""`sources`: who may send, and what was mended in their calls."""

from __future__ import annotations

from router.cli.data_source import open_data_source
from router.cli.intake_tables import consent_of, say_intake
from router.cli.options import Common, asks
from router.cli.output import say, say_json, say_table
from router.explain.figures import count

MENDED = {
    "unreadable": "could not be read, so it counted as absent",
    "out_of_range": "was too far from the receipt to be believed",
    "empty_list": "was an empty list, read as an empty object",
    "not_an_object": "was no object, so it counted as absent",
    "not_an_id": "was no id, so it counted as absent",
    "not_a_number": "had NaN or Infinity in it, read as null",
    "object_dropped": "was or held an object, which has no hash, so that was dropped",
    "broken_text": "had half an emoji in it, read as U+FFFD",
}


@asks
def sources(common: Common) -> None:
    """Show who may send, what each source takes from its calls, its tracking plan, whether consent is followed, and what was mended
    since the start.

    Examples:
        sources
    """
    with open_data_source(common) as data:
        found = data.sources()
    if common.as_json:
        say_json(found)
        return
    rows = found["sources"]
    say_table(
        ["source", "kind", "enabled", "strict", "consent", "origins"],
        [
            [
                row["name"],
                row["kind"],
                *("yes" if row[key] else "no" for key in ("enabled", "strict")),
                consent_of(row),
                ", ".join(row["origins"]),
            ]
            for row in rows
        ],
        wrap=["origins"],
    )
    say_intake(rows)
    for row in rows:
        for field, problems in row["warnings"].items():
            for problem, n in problems.items():
                say(f"{row['name']}: {field} {MENDED.get(problem, problem)}, {count(n, 'time')}")
