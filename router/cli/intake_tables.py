"""The tables of `check` and `sources` about what a source does with its calls before they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.cli.output import say, say_table


def consent_of(row: Mapping[str, Any]) -> str:
    """Whether the preferences of a source's users are stored, in a word."""
    return "followed" if row.get("consent", {}).get("follow") else "by event"


def say_intake(rows: Sequence[Mapping[str, Any]]) -> None:
    """What each source takes from its calls, and the tracking plan of each that has one."""
    taken = [
        [row["name"], key, path] for row in rows for key, paths in row.get("privacy", {}).items() for path in paths
    ]
    if taken:
        say("")
        say_table(["source", "privacy", "path"], taken)
    planned = [[row["name"], *_plan(row["plan"])] for row in rows if row.get("plan")]
    if planned:
        say("")
        say_table(
            ["source", "plan", "rules", "what does not fit", "forwarded"],
            planned,
            wrap=["plan", "what does not fit", "forwarded"],
        )


def _plan(plan: Mapping[str, Any]) -> list[Any]:
    name, files = plan["name"], ", ".join(plan["files"])
    reactions = [
        f"{type}: " + ", ".join(f"{key} {value}" for key, value in found.items())
        for type, found in plan["on_violation"].items()
    ]
    forwarded = ", ".join(f"{what} to {target}" for what, target in plan["forward"].items())
    return [
        f"{name} ({files})" if name else files,
        plan["rules"],
        "; ".join(reactions) or "all allowed",
        forwarded or "nothing",
    ]
