"""Refuses schemas that look at one value again and again: a small call could keep the validator busy for minutes.

Two kinds are known. A recursion through several alternatives (`oneOf` with two branches that both refer back) doubles the work
with each level of the value. References that fan out (`a` refers to `b` twice, `b` to `c` twice, ...) double it with each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from router.plans.references import at, place_of
from router.plans.subschemas import DEFINITIONS, Schema, Steps, inner

MAX_PARTS = 50_000
"""Parts of a schema with all its references written out."""
MAX_CHAIN = 200
"""References that lead from one to the next."""

SAME_VALUE = ("oneOf", "anyOf", "allOf", "not", "if", "then", "else", "dependentSchemas", "dependencies")
"""Keywords whose schemas look at the value itself, as that of `$ref` does. All others look at a part of it."""
_OF_A_PART = {
    "properties": "properties", "patternProperties": "patterns", "contains": "contains",
    **dict.fromkeys(("additionalProperties", "unevaluatedProperties"), "rest of an object"),
    **dict.fromkeys(("items", "prefixItems", "additionalItems", "unevaluatedItems"), "list"),
}  # fmt: skip
"""By keyword: which parts of a value its schemas look at. Two patterns may have the same property, and it may be listed beside that."""


class _TooExpensive(Exception):
    """Why."""


def fault_of(schema: Schema) -> str:
    """What makes a schema too expensive to check; "" where nothing does. Its references are those of `references.py`."""
    try:
        graph = _Graph(schema)
    except _TooExpensive as error:
        return str(error)
    for place, circle in graph.circles.items():
        if any(_looks(part, circle) > 1 for part in _parts(graph.bodies[place])):
            return (
                f"{_shown(place)} refers back to itself from more than one alternative, so a deep value would be checked again and again;"
                " let only one alternative of oneOf, anyOf or allOf refer back"
            )
    if graph.sizes[()] > MAX_PARTS:
        return f"with its references written out it has more than {MAX_PARTS:,} parts; let fewer of them refer to each other"
    return ""


class _Graph:
    """The whole schema and each part that is referred to, by place. One walk finds how large each is with its references written out, and
    which of them lead back to themselves (Tarjan's strongly connected components)."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.bodies: dict[Steps, Any] = {}
        self.sizes: dict[Steps, int] = {}  #: those that refer back count once
        self.circles: dict[Steps, frozenset[Steps]] = {}  #: of each that leads back to itself, all on the way
        self._lowest: dict[Steps, int] = {}
        self._open: dict[Steps, None] = {}
        self._walk((), 0)

    def _walk(self, place: Steps, depth: int) -> None:
        if depth > MAX_CHAIN:
            raise _TooExpensive("its references are nested too deep; let fewer of them refer to each other")
        body = self.bodies[place] = at(self._schema, place)
        number = self._lowest[place] = len(self._lowest)
        self._open[place], self.sizes[place] = None, 1
        uses, size = list(_references(body)), sum(1 for _ in _parts(body))
        for other in uses:
            if other not in self._lowest:
                self._walk(other, depth + 1)
            if other in self._open:
                self._lowest[place] = min(self._lowest[place], self._lowest[other])
            size = min(size + self.sizes[other], MAX_PARTS + 1)
        self.sizes[place] = size
        if self._lowest[place] == number:
            self._close(place, is_circle=place in uses)

    def _close(self, place: Steps, *, is_circle: bool) -> None:
        closed: list[Steps] = []
        while not closed or closed[-1] != place:
            closed.append(self._open.popitem()[0])
        if is_circle or len(closed) > 1:
            self.circles |= dict.fromkeys(closed, frozenset(closed))


def _looks(part: Schema, circle: frozenset[Steps]) -> int:
    """How many schemas of a part look at one value and refer back: at the value itself, or at a part of it."""
    n = dict.fromkeys(("itself", "properties", "patterns", "rest of an object", "list", "contains", "other"), 0)
    for (keyword, *_), one in inner(part):
        if circle.isdisjoint(_references(one)):
            continue
        kind = "itself" if keyword in SAME_VALUE else _OF_A_PART.get(str(keyword), "other")
        n[kind] = n[kind] + 1 if kind in ("itself", "patterns") else 1
    of_a_part = max(n["properties"] + n["patterns"], n["rest of an object"], n["list"] + n["contains"], n["other"])
    return n["itself"] + (_reference_of(part) in circle) + of_a_part


def _references(node: Any) -> Iterator[Steps]:
    return (place for part in _parts(node) if (place := _reference_of(part)) is not None)


def _reference_of(part: Schema) -> Steps | None:
    reference = part.get("$ref")
    return place_of(reference) if isinstance(reference, str) else None


def _parts(node: Any) -> Iterator[Schema]:
    """A schema and all inside, without what checks nothing by itself."""
    left: list[Schema] = [node] if isinstance(node, dict) else []
    while left:
        part = left.pop()
        yield part
        left += [one for (keyword, *_), one in inner(part) if keyword not in DEFINITIONS]


def _shown(place: Steps) -> str:
    return "/".join(("#", *map(str, place)))
