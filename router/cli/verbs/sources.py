"""`sources`: who may send, and what was mended in their calls."""

from __future__ import annotations

from router.cli.data_source import open_data_source
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
    """Show who may send, and what was mended in their calls since the start.

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
        ["source", "kind", "enabled", "strict", "origins"],
        [
            [
                row["name"],
                row["kind"],
                *("yes" if row[key] else "no" for key in ("enabled", "strict")),
                ", ".join(row["origins"]),
            ]
            for row in rows
        ],
        wrap=["origins"],
    )
    taken = [
        [row["name"], key, path] for row in rows for key, paths in row.get("privacy", {}).items() for path in paths
    ]
    if taken:
        say("")
        say_table(["source", "privacy", "path"], taken)
    for row in rows:
        for field, problems in row["warnings"].items():
            for problem, n in problems.items():
                say(f"{row['name']}: {field} {MENDED.get(problem, problem)}, {count(n, 'time')}")
