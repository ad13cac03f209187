"""`consent` of a destination as config.toml writes it: ["marketing"], or { any = ["marketing", "ads"] }."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from router.consent import Need

REMEDY = 'write the ids of its categories, e.g. ["marketing"], or { any = ["marketing", "ads"] } where one is enough'


def parse_need(value: Any) -> Need | None:
    """The need of a list of ids, or of a table with `any`. Raises ValueError with the words the operator reads."""
    if value is None or isinstance(value, Need):
        return value
    is_any = isinstance(value, dict)
    if isinstance(value, dict):
        if value.keys() != {"any"}:
            raise ValueError(f"a table has the one key any; {REMEDY}")
        value = value["any"]
    if not isinstance(value, list | tuple):
        raise ValueError(f"not a list; {REMEDY}")
    if not value:
        raise ValueError(f"the list is empty; {REMEDY}; leave the key out where no consent is needed")
    for index, id in enumerate(value):
        if not isinstance(id, str):
            raise ValueError(f"the id at [{index}] is no text; {REMEDY}")
        if not id.strip():
            raise ValueError(f"the id at [{index}] is empty, and no event gives it; {REMEDY}")
    return Need(tuple(dict.fromkeys(value)), is_any)


_IDS = {"type": "array", "items": {"type": "string", "pattern": r"\S"}, "minItems": 1}
_ANY = {"type": "object", "properties": {"any": _IDS}, "required": ["any"], "additionalProperties": False}

ConsentNeed = Annotated[Need | None, BeforeValidator(parse_need), WithJsonSchema({"anyOf": [_IDS, _ANY]})]
