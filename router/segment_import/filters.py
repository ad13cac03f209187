"""Destination filters, as config.toml has them. One that the router would refuse is named with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from router.config import DestinationConfig, problems_of
from router.config.filter_rules import filter_problems
from router.segment_import.resources import decoded
from router.segment_import.workspace import items, text


def convert_filter(values: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The table of a filter, and why the router refuses it; empty if it does not."""
    found: dict[str, Any] = {"title": text(values.get("title")).strip() or "Untitled", "if": text(values.get("if"))}
    if values.get("enabled") is False:
        found["enabled"] = False
    found["actions"] = [_action(action) for action in items(values.get("actions"))]
    return found, _fault(found)


def _action(values: Mapping[str, Any]) -> dict[str, Any]:
    given = {key: values.get(key) for key in ("type", "percent", "path", "fields")}
    given["fields"] = decoded(given["fields"])
    return {key: value for key, value in given.items() if value not in (None, "", {})}


def _fault(found: dict[str, Any]) -> str:
    raw = {"name": "x", "plugin": "x", "filters": [found]}
    try:
        problems = filter_problems(DestinationConfig.model_validate(raw))
    except ValidationError as error:
        problems = problems_of(error, DestinationConfig, "")
    return problems[0].partition(": ")[2].splitlines()[0] if problems else ""
