"""Which references a schema may have: to the whole schema (`#`), or to a place in it (`#/definitions/address`).

All others would need a look at what they mean: the name of an anchor, what an `$id` makes of an address, where a `$dynamicRef` came from.
Nothing is ever fetched.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from router.plans.subschemas import Schema, Steps, every

_IDS = ("$id", "id")
_OLD = re.compile(r"draft-0?[34]/")
"""Drafts in which `id` is what `$id` is later. Segment writes an `id` into its schemas that means nothing."""


def fault_of(schema: Schema) -> tuple[Steps, str] | None:
    """The place of a reference that is not accepted, and why."""
    ids = _IDS if _OLD.search(str(schema.get("$schema"))) else _IDS[:1]
    for steps, part in every(schema):
        if found := _of_part(steps, part):
            return found
        if steps and any(_is_address(part.get(key)) for key in ids) and _has_reference(part):
            words = "a part with an id of its own has references, which would be read from that part: take the id out"
            return steps, words
    return None


def _of_part(steps: Steps, part: Schema) -> tuple[Steps, str] | None:
    for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
        reference = part.get(keyword)
        if isinstance(reference, str) and not (place_of(reference) is not None and keyword == "$ref"):
            what = f"{keyword} to {reference!r}"
            if not reference.startswith("#"):
                words = f"{what}: nothing is fetched; put that schema into the plan and refer to it by #/..."
            else:
                words = f"{what}: it is not followed; refer to that part by its place, such as #/definitions/address"
            return (*steps, keyword), words
    return None


def place_of(reference: str) -> tuple[str, ...] | None:
    """The steps to the place that a reference names; None where it names no place in its schema."""
    if reference in ("", "#"):
        return ()
    if not reference.startswith("#/"):
        return None
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in unquote(reference[2:]).split("/"))


def at(schema: Any, place: Steps) -> Any:
    """What is there; None where nothing is, which the library says as it compiles the schema."""
    for step in place:
        if isinstance(schema, list):
            schema = schema[int(step)] if str(step).isdecimal() and int(step) < len(schema) else None
        else:
            schema = schema.get(step) if isinstance(schema, dict) else None
    return schema


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and not value.startswith("#")  # that is an anchor, and changes no address


def _has_reference(part: Schema) -> bool:
    return any("$ref" in one for _, one in every(part))
