"""Tracking plans as files, and the settings of a source about violations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from router.plans import PlanError, read_plan
from router.plans.schema import PlansUnavailable
from router.segment_import.workspace import Plan, table, text

COMMON = {"ALLOW": "allow", "BLOCK": "block", "OMIT_PROPERTIES": "omit", "OMIT_TRAITS": "omit"}


def plan_text(plan: Plan, rules: Sequence[Mapping[str, Any]]) -> str:
    """The file of a plan, in the form of Segment's Public API."""
    return json.dumps({"name": plan.name, "rules": list(rules)}, indent=2, ensure_ascii=False) + "\n"


def plan_fault(file: str, content: str) -> str:
    """Why the router would refuse this file; empty if it would not, or if nothing is installed here that could tell."""
    try:
        read_plan([(file, content.encode())])
    except PlanError as error:
        return error.problems[0]
    except PlansUnavailable:
        return ""
    return ""


def on_violation(settings: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The table [source.on_violation] for the settings of a source at Segment. What is allowed is left out."""
    found: dict[str, dict[str, str]] = {}
    for kind in ("track", "identify", "group"):
        own = table(settings.get(kind))
        what = "event" if kind == "track" else "traits"
        reactions = {
            "unplanned_events": "block" if own.get("allow_unplanned_events") is False else "",
            "unplanned_properties": "omit" if _unplanned(own, kind) is False else "",
            "violations": _violations(own, what),
            "common_violations": COMMON.get(text(own.get("common_event_on_violations")), ""),
        }
        if kept := {key: value for key, value in reactions.items() if value not in ("", "allow")}:
            found[kind] = kept
    return found


def _unplanned(own: Mapping[str, Any], kind: str) -> Any:
    return own.get("allow_unplanned_event_properties" if kind == "track" else "allow_unplanned_traits")


def _violations(own: Mapping[str, Any], what: str) -> str:
    """Of track, an event is blocked or a property omitted; of identify and group, traits are omitted."""
    if what == "event" and own.get("allow_event_on_violations") is False:
        return "block"
    key = "allow_properties_on_violations" if what == "event" else "allow_traits_on_violations"
    return "omit" if own.get(key) is False else ""


def forward(settings: Mapping[str, Any], own_id: str, names: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The table [source.forward] of a source, and what it cannot say. `names`: of enabled sources here, by their ids at Segment."""
    found, notes = {}, []
    for key, segments in (("violations", "forwarding_violations_to"), ("blocked", "forwarding_blocked_events_to")):
        if target := text(settings.get(segments)):
            if target in names and target != own_id:
                found[key] = names[target]
            else:
                notes.append(f"forward.{key}: its source ({target}) is not carried over, or is disabled")
    return found, notes
