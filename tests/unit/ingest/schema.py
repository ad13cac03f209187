"""As much of JSON Schema 2020-12 as router/openapi.json uses; a keyword it does not know is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "number": (int, float),
}  # fmt: skip
_SAYS_NOTHING = {"description", "x-max-bytes"}


def resolved(document: dict[str, Any], value: Any) -> Any:
    """What a `$ref` stands for; anything else as it is."""
    while isinstance(value, dict) and "$ref" in value:
        found: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        value = found
    return value


def faults(document: dict[str, Any], schema: Any, value: Any, at: str = "$") -> Iterator[str]:
    """Where a value is not what its schema says."""
    schema = resolved(document, schema)
    for keyword, asked in schema.items():
        match keyword:
            case "type":
                names = [asked] if isinstance(asked, str) else asked
                if not any(_is(name, value) for name in names):
                    yield f"{at}: not {asked}"
            case "const":
                if value != asked:
                    yield f"{at}: not {asked!r}"
            case "enum":
                if value not in asked:
                    yield f"{at}: {value!r} is not one of those listed"
            case "pattern":
                if isinstance(value, str) and not re.search(asked, value):
                    yield f"{at}: does not match {asked}"
            case "maxLength" | "maxItems":
                if isinstance(value, str if keyword == "maxLength" else list) and len(value) > asked:
                    yield f"{at}: longer than {asked}"
            case "required":
                if isinstance(value, dict):
                    yield from (f"{at}: no {name}" for name in asked if name not in value)
            case "properties":
                if isinstance(value, dict):
                    for name in asked.keys() & value.keys():
                        yield from faults(document, asked[name], value[name], f"{at}.{name}")
            case "additionalProperties":
                assert asked is False
                if isinstance(value, dict):
                    yield from (f"{at}: unknown {name}" for name in value.keys() - schema["properties"].keys())
            case "items":
                if isinstance(value, list):
                    for number, item in enumerate(value):
                        yield from faults(document, asked, item, f"{at}[{number}]")
            case "allOf":
                for part in asked:
                    yield from faults(document, part, value, at)
            case _:
                assert keyword in _SAYS_NOTHING, f"{keyword} is not known here"


def _is(name: str, value: Any) -> bool:
    if name == "number" and isinstance(value, bool):
        return False
    return isinstance(value, _TYPES[name])
