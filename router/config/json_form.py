"""How a value is written in config.toml, for the JSON Schema: what pydantic cannot see, since code of ours reads the text."""

from __future__ import annotations

from typing import Any

from pydantic import WithJsonSchema


def text(pattern: str, **more: Any) -> WithJsonSchema:
    """A text that matches this as a whole. No look-around: editors check it with other engines. `more`: further keywords."""
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$", **more})


def one_or_many(**item: Any) -> WithJsonSchema:
    """One value, or a list of them."""
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item}]})


FILLED = {"type": "string", "minLength": 1}
"""A text that is not empty."""
