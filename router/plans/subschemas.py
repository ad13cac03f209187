"""Where a JSON Schema has other schemas inside: a property may be called `enum` or `$ref`, and is no keyword then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

DEFINITIONS = ("definitions", "$defs")
"""Schemas that check nothing until somebody refers to them."""
BY_NAME = (*DEFINITIONS, "properties", "patternProperties", "dependentSchemas", "dependencies")
"""Keywords with schemas by name."""
NO_SCHEMAS = ("enum", "const", "default", "examples")

Steps = tuple[str | int, ...]
"""What leads to a part of a schema."""
Schema = Mapping[str, Any]


def inner(schema: Schema) -> Iterator[tuple[Steps, Schema]]:
    """The schemas directly inside a schema. What an unknown keyword has counts as one."""
    for keyword, value in schema.items():
        if keyword in NO_SCHEMAS:
            continue
        if keyword in BY_NAME and isinstance(value, dict):
            yield from (((keyword, name), one) for name, one in value.items() if isinstance(one, dict))
        elif isinstance(value, list):
            yield from (((keyword, n), one) for n, one in enumerate(value) if isinstance(one, dict))
        elif isinstance(value, dict):
            yield (keyword,), value


def every(schema: Schema) -> Iterator[tuple[Steps, Schema]]:
    """A schema and all that are inside, at any depth."""
    left: list[tuple[Steps, Schema]] = [((), schema)]
    while left:
        steps, one = left.pop()
        yield steps, one
        left += [((*steps, *more), other) for more, other in inner(one)]
