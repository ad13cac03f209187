"""A plan made from what was sent: names and types, and how often each was there. No value of a call comes into it."""

from __future__ import annotations

from typing import Any

import msgspec

from router.event import Call, is_forwarded, normalize_event, with_verdict
from router.plans import container_of, json_type

MAX_EVENTS = 1_000
MAX_NAMES = 300
"""Names of one object that are taken down; an object with more has data in the place of names."""
MAX_DEPTH = 5


class Shape(msgspec.Struct):
    """What was seen at one place."""

    n: int = 0  #: how often anything was there
    types: set[str] = msgspec.field(default_factory=set)
    inner: dict[str, Shape] = msgspec.field(default_factory=dict)  #: of objects, by name
    items: Shape | None = None  #: of lists

    def add(self, value: Any, depth: int = 0) -> None:
        """One value that was there."""
        self.n += 1
        self.types.add(json_type(value))
        if depth >= MAX_DEPTH:
            return
        if isinstance(value, dict):
            for name, other in value.items():
                if name not in self.inner and len(self.inner) >= MAX_NAMES:
                    continue
                self.inner.setdefault(name, Shape()).add(other, depth + 1)
        elif isinstance(value, list):
            for other in value:
                self.items = self.items or Shape()
                self.items.add(other, depth + 1)

    def schema(self, of: int = 0) -> dict[str, Any]:
        """As JSON Schema. `of`: how many objects there were that might have had it; 0: it says nothing of that."""
        types = self.types - ({"integer"} if "number" in self.types else set())
        found: dict[str, Any] = {"type": min(types) if len(types) == 1 else sorted(types)} if types else {}
        if of:
            found["description"] = f"present in {self.n} of {of}"
        if self.inner:
            found["properties"] = {name: shape.schema(self.n) for name, shape in sorted(self.inner.items())}
        if self.items is not None:
            found["items"] = self.items.schema()
        return found


class Drafting:
    """Gathers the calls of one source."""

    def __init__(self) -> None:
        self.calls = 0
        self.left_out = 0  #: calls of events beyond MAX_EVENTS
        self._shapes: dict[tuple[str, str], Shape] = {}  #: by kind and key of the rule

    def add(self, call: Call) -> None:
        """One stored call, as it was received: what a plan in force omitted is there."""
        if is_forwarded(call.body) or call.type == "alias":
            return
        body = with_verdict(call.body, None)
        event = normalize_event(call.source, call.type, call.message_id, call.received_at, body)
        kind = call.type.upper()
        key = (kind, event.name or "") if kind == "TRACK" else (kind, "")
        if key not in self._shapes and len(self._shapes) >= MAX_EVENTS:
            self.left_out += 1
            return
        self.calls += 1
        values = event.traits if container_of(call.type) == "traits" else event.properties
        self._shapes.setdefault(key, Shape()).add(values)

    def plan(self, name: str) -> dict[str, Any]:
        """The plan, in the form of Segment's Public API."""
        return {"name": name, "rules": [_rule(*key, shape) for key, shape in sorted(self._shapes.items())]}


def _rule(kind: str, key: str, shape: Shape) -> dict[str, Any]:
    container = container_of(kind.lower())
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "description": f"seen {shape.n} time{'s' * (shape.n != 1)}",
        "properties": {container: shape.schema()},
    }
    return {"type": kind, "key": key or None, "version": 1, "jsonSchema": schema}
