"""What is noted of each error that a schema finds in a call, in Segment's words where they are known, and what omitting takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from router.plans.verdict import CONTAINERS, KeyPath, Violation

if TYPE_CHECKING:
    import jsonschema_rs

MAX_FIELD = 200
"""Characters of a field that are noted."""

ROOT = "(root)"

_TYPES = {
    "required": "Required",
    "type": "Invalid Type",
    "enum": "Invalid Value",
    "const": "Invalid Value",
    "pattern": "Invalid Pattern",
    "format": "Invalid Format",
    "additionalProperties": "Additional Property",
    "unevaluatedProperties": "Additional Property",
}
_TYPES |= dict.fromkeys(
    ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems",
     "maxItems", "minProperties", "maxProperties"),
    "Out Of Range",
)  # fmt: skip
NAMES = ("Unplanned Event", *dict.fromkeys(_TYPES.values()), "Rule")
"""Every type of violation."""

Found = tuple[Violation, KeyPath | None]
"""A violation, and what omitting takes; None where there is nothing to take."""


def unplanned(event: str) -> Violation:
    """The plan has no rule for a track call of this name."""
    return Violation("Unplanned Event", "event", f"{event[:MAX_FIELD]} is not in the plan")


def violations_of(error: jsonschema_rs.ValidationError, call: Any) -> Iterator[Found]:
    """What one error comes to: usually one violation, and one for each name where it is the names that offend."""
    keyword, path = error.kind.name, list(error.instance_path)
    names = _names(error, call)
    if names is not None:
        keyword, offending = names
        for name in offending:
            at = [*path, name]
            yield Violation(_TYPES.get(keyword, "Rule"), _field(at), _words(keyword)), _taken(at)
        return
    type = _TYPES.get(keyword, "Rule")
    if type == "Required":
        field = _field([*path, error.kind.as_dict()["property"]])
        yield Violation(type, field, f"{field} is required"), None
        return
    words = _words(keyword)
    if type == "Invalid Type":
        expected = error.kind.as_dict()["types"]
        wanted = expected[0] if len(expected) == 1 else f"[{','.join(expected)}]"
        words = f"Invalid type. Expected: {wanted}, given: {json_type(_at(call, path))}"
    yield Violation(type, _field(path), words), _taken(path)


def _words(keyword: str) -> str:
    """Which keyword of the schema a call does not meet. `falseSchema` is the library's word for the schema `false`."""
    return "the plan permits nothing here" if keyword == "falseSchema" else f"{keyword} is not met"


_OF_NAMES = ("additionalProperties", "unevaluatedProperties", "propertyNames")


def _names(error: jsonschema_rs.ValidationError, call: Any) -> tuple[str, list[str]] | None:
    """The keyword and the names, where an error is about names of an object. Its path is that of the object then."""
    keyword, told = error.kind.name, error.kind.as_dict()
    if "unexpected" in told:
        return keyword, told["unexpected"]
    if keyword == "propertyNames":
        return keyword, [told["error"].instance]
    if keyword == "falseSchema" and error.schema_path and error.schema_path[-1] in _OF_NAMES:
        # `"additionalProperties": false` alone is told once for the whole object, without the names
        place, found = error.instance_path, _at(call, error.instance_path)
        if isinstance(found, dict) and (not place or place[-1] != error.schema_path[-1]):
            return str(error.schema_path[-1]), list(found)
    return None


def _field(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path))[:MAX_FIELD] if path else ROOT


def _taken(path: Sequence[str | int]) -> KeyPath | None:
    """What goes: the property itself, and of what stands in a list the outermost list. Only what is inside a container goes."""
    keys: KeyPath = []
    for step in path:
        if isinstance(step, int):
            break
        keys.append(step)
    return keys if len(keys) > 1 and keys[0] in CONTAINERS else None


def _at(call: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        call = call[step]
    return call


def json_type(value: Any) -> str:
    """The type of a JSON value, as JSON Schema calls it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for type, name in ((int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, type):
            return name
    return "object"
