"""The forms of a plan file, told apart by their shape: Segment's Public API, its older Config API, and RudderStack.

Every form comes to the same: a list of raw rules, each with its place in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

KINDS = ("TRACK", "IDENTIFY", "GROUP", "PAGE", "SCREEN", "COMMON")

_SINGLE = {"identify": "IDENTIFY", "group": "GROUP", "page": "PAGE", "screen": "SCREEN", "global": "COMMON"}
"""Keys of the older forms that hold one schema each."""

UNKNOWN_FORM = (
    'not a tracking plan; it must be Segment\'s list of rules ({"rules": [...]}), its older form'
    ' ({"rules": {"events": [...]}}) or that of RudderStack ({"events": [...]})'
)


class RawRule(msgspec.Struct, frozen=True):
    """A rule as the file has it. Nothing of it is checked yet."""

    where: str  #: JSON path of the rule in its file
    kind: Any
    key: Any
    version: Any
    schema: Any
    schema_key: str  #: the key that holds the schema; "" where the rule is the schema


class RawPlan(msgspec.Struct, frozen=True):
    """A file as it was read."""

    id: str
    name: str
    rules: list[RawRule]


def read_form(document: Any) -> RawPlan | None:
    """The rules of a decoded file, in the order of the file; None where it has none of the known shapes."""
    if isinstance(document, Mapping) and isinstance(document.get("data"), Mapping):
        inner = read_form(document["data"])
        if inner is None:
            return None
        return RawPlan(inner.id, inner.name, [_moved(rule, "$.data") for rule in inner.rules])
    if isinstance(document, list):
        return RawPlan("", "", list(_public(document, "$")))
    if not isinstance(document, Mapping):
        return None
    id, name = _text(document.get("id")), _text(document.get("name"))
    if shown := _text(
        document.get("display_name")
    ):  # the older API has its path in `name`: workspaces/acme/tracking-plans/rs_1
        id, name = id or name, shown
    rules, events = document.get("rules"), document.get("events")
    if isinstance(rules, list):
        return RawPlan(id, name, list(_public(rules, "$.rules")))
    if isinstance(rules, Mapping):
        return RawPlan(id, name, list(_older(rules, "$.rules")))
    if isinstance(events, list):
        return RawPlan(id, name, list(_older(document, "$")))
    return None


def _public(rules: list[Any], at: str) -> Iterator[RawRule]:
    """Form A: each rule names its kind."""
    for index, rule in enumerate(rules):
        rule = rule if isinstance(rule, Mapping) else {}
        yield RawRule(
            f"{at}[{index}]",
            rule.get("type"),
            rule.get("key"),
            rule.get("version", 1),
            rule.get("jsonSchema"),
            "jsonSchema",
        )


def _older(rules: Mapping[str, Any], at: str) -> Iterator[RawRule]:
    """Forms B and C: a list of events, and one schema for each other kind."""
    events = rules.get("events")
    for index, event in enumerate(events if isinstance(events, list) else []):
        event = event if isinstance(event, Mapping) else {}
        kind = _kind_of(event.get("eventType", "track"))
        key = event.get("name") if kind in ("TRACK", "PAGE", "SCREEN") else None
        yield RawRule(f"{at}.events[{index}]", kind, key, event.get("version", 1), event.get("rules"), "rules")
    for key, kind in _SINGLE.items():
        if rules.get(key):
            yield RawRule(f"{at}.{key}", kind, None, 1, rules[key], "")


def _kind_of(event_type: Any) -> Any:
    """RudderStack names the type of a call as the call itself does."""
    if not isinstance(event_type, str):
        return event_type
    return "COMMON" if event_type.lower() == "global" else event_type.upper()


def _moved(rule: RawRule, under: str) -> RawRule:
    return msgspec.structs.replace(rule, where=under + rule.where.removeprefix("$"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
