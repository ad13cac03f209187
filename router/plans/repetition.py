"""Refuses schemas that look at one value again and again: a small call could keep the validator busy for minutes.

Two kinds are known. A recursion through several alternatives (`oneOf` with two branches that both refer back) doubles the work
with each level of the value. References that fan out (`a` refers to `b` twice, `b` to `c` twice, ...) double it with each step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MAX_PARTS = 50_000
"""Parts of a schema with all its references written out."""

ALTERNATIVES = ("oneOf", "anyOf", "allOf")
SAME_VALUE = ("not", "if", "then", "else")
"""Keywords whose schema looks at the value itself, as those of ALTERNATIVES and `$ref` do. All others look at a part of it."""
APART = ("definitions", "$defs", "enum", "const", "default", "examples")
"""Keywords that check nothing by themselves."""


def fault_of(schema: Mapping[str, Any]) -> str:
    """What makes a schema too expensive to check; "" where nothing does."""
    schemas = _Schemas(schema)
    for name in schemas.bodies:
        if schemas.repeats(name):
            return (
                f"{name} refers back to itself from more than one alternative, so a deep value would be checked again and again;"
                " let only one alternative of oneOf, anyOf or allOf refer back"
            )
    if schemas.size("#") > MAX_PARTS:
        return f"with its references written out it has more than {MAX_PARTS:,} parts; let fewer of them refer to each other"
    return ""


class _Schemas:
    """The whole schema and each part that is referred to, by reference."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.bodies: dict[str, Any] = {"#": schema}
        self._uses: dict[str, set[str]] = {}
        left = ["#"]
        while left:
            name = left.pop()
            self._uses[name] = set(_references(self.bodies[name]))
            for other in self._uses[name] - self.bodies.keys():
                self.bodies[other] = _resolved(schema, other)
                left.append(other)
        self._reached = {name: self._reachable(name) for name in self.bodies}
        self._sizes: dict[str, int] = {}

    def _reachable(self, name: str) -> set[str]:
        found: set[str] = set()
        left = [name]
        while left:
            for other in self._uses[left.pop()] - found:
                found.add(other)
                left.append(other)
        return found

    def repeats(self, name: str) -> bool:
        """Whether a value is looked at by two parts of this schema that both refer back to it."""
        back = {other for other in self._reached[name] if name in self._reached[other]}
        return bool(back) and any(_looks_twice(part, back) for part in _parts(self.bodies[name]))

    def size(self, name: str) -> int:
        """Parts with all references written out, those that refer back once."""
        if name not in self._sizes:
            self._sizes[name] = 1  # of a recursion
            total = sum(1 for _ in _parts(self.bodies[name]))
            for reference in _references(self.bodies[name]):
                total = min(total + self.size(reference), MAX_PARTS + 1)
            self._sizes[name] = total
        return self._sizes[name]


def _looks_twice(part: Mapping[str, Any], back: set[str]) -> bool:
    """Whether more than one of the schemas that look at the same value refers back."""
    looking = [branch for key in ALTERNATIVES for branch in part.get(key) or ()]
    looking += [part[key] for key in SAME_VALUE if key in part]
    looking.append({key: inner for key, inner in part.items() if key not in (*ALTERNATIVES, *SAME_VALUE, "$ref")})
    n = sum(1 for schema in looking if not back.isdisjoint(_references(schema)))
    return n + (part.get("$ref") in back) > 1


def _references(node: Any) -> Iterator[str]:
    for part in _parts(node):
        if isinstance(reference := part.get("$ref"), str) and reference.startswith("#"):
            yield reference


def _parts(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every object in a schema, without what checks nothing by itself."""
    left = [node]
    while left:
        inner = left.pop()
        if isinstance(inner, dict):
            yield inner
            left.extend(value for key, value in inner.items() if key not in APART)
        elif isinstance(inner, list):
            left.extend(inner)


def _resolved(schema: Any, reference: str) -> Any:
    target = schema
    for step in reference[1:].split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list):
            target = target[int(step)] if step.isdecimal() and int(step) < len(target) else None
        else:
            target = target.get(step) if isinstance(target, dict) else None
    return target
