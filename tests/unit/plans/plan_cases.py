"""The cases of `tests/fixtures/plan-cases.json`: a plan, and what becomes of one call under some settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).parent.parent.parent / "fixtures/plan-cases.json"
_CONTENT = json.loads(FILE.read_text(encoding="utf-8"))

PLAN: dict[str, Any] = _CONTENT["plan"]
"""In the form of Segment's Public API."""


class Case(NamedTuple):
    """`settings` are those of `[source.on_violation]`."""

    n: int
    what: str
    settings: dict[str, dict[str, str]]
    event: dict[str, Any]
    expected: dict[str, Any]


CASES = [Case(**case) for case in _CONTENT["cases"]]


def in_older_form(plan: dict[str, Any]) -> dict[str, Any]:
    """The same plan as Segment's older API had it."""
    rules: dict[str, Any] = {"events": [], "identify_traits": [], "group_traits": []}
    for rule in plan["rules"]:
        if rule["type"] == "TRACK":
            entry = {"name": rule["key"], "version": rule["version"], "rules": rule["jsonSchema"]}
            rules["events"].append(entry)
        else:
            key = {"IDENTIFY": "identify", "GROUP": "group", "COMMON": "global"}[rule["type"]]
            rules[key] = rule["jsonSchema"]
    return {"display_name": plan["name"], "rules": rules}
