"""A tracking plan as large ones are: a hundred rules, of which the events of the mix meet four."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from router.event import Call
from router.judge import SourcePlan
from router.plans import Policy, read_plan

RULES = 100
TEXT, NUMBER = {"type": "string"}, {"type": "number"}
PRODUCT = {"type": "object", "properties": {"product_id": TEXT, "quantity": {"type": "integer", "minimum": 1}}}
PROPERTIES: dict[str, Any] = {
    "order_id": TEXT,
    "currency": {"enum": ["EUR", "USD"]},
    "total": NUMBER,
    "products": {"type": "array", "items": PRODUCT},
}
TRAITS: dict[str, Any] = {
    "email": {"type": "string", "format": "email"},
    "birthday": {"type": "string", "format": "date"},
    "name": TEXT,
    "plan": {"type": "string", "pattern": "^[a-z]+$"},
    "employees": {"type": "integer"},
}


def plan_of(rows: list[tuple[str, str, bytes]]) -> SourcePlan:
    """Such a plan, which all of these calls fit."""
    names = {msgspec.json.decode(body.partition(b"\n")[2]).get("event") for type, _, body in rows if type == "track"}
    events = [*sorted(names), *(f"Event {n}" for n in range(RULES - 3 - len(names)))]
    rules = [_rule("TRACK", name, {"properties": _object(PROPERTIES)}) for name in events]
    rules += [_rule(kind, None, {"traits": _object(TRAITS)}) for kind in ("IDENTIFY", "GROUP")]
    rules.append(_rule("COMMON", None, {"messageId": TEXT, "userId": TEXT}))
    plan = read_plan([("bench", msgspec.json.encode(rules))])
    policies = dict.fromkeys(("track", "identify", "group"), Policy(violations="omit", common_violations="block"))
    return SourcePlan("bench", plan, policies)


def judge(rows: list[tuple[str, str, bytes]], received_ms: int) -> Callable[[], None]:
    """What acceptance does with each of these calls where its source has such a plan."""
    planned = plan_of(rows)
    calls = [Call("bench", type, message_id, "u:1", received_ms, body) for type, message_id, body in rows]

    def work() -> None:
        for call in calls:
            planned.judge(call)

    return work


def _rule(kind: str, key: str | None, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "key": key, "version": 1, "jsonSchema": _object(properties)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}
