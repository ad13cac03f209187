"""From pydantic's errors to lines an operator can act on: key path, reason, remedy. Never a value."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

_WORDS = {
    "missing": "missing; add it",
    "bool_type": "write true or false, without quotes",
    "string_type": "write text between quotes",
    "int_type": "write a whole number, without quotes",
    "int_parsing": "write a whole number, without quotes",
    "float_type": "write a number, without quotes",
    "tuple_type": 'write a list, e.g. ["a", "b"]',
    "list_type": 'write a list, e.g. ["a", "b"]',
    "dict_type": "write a table",
    "mapping_type": "write a table",
    "model_type": "write a table",
    "model_attributes_type": "write a table",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le:g}",
    "string_pattern_mismatch": "has the wrong form; it must match {pattern}",
}
_ADDRESS = "https?://"
"""A pattern with this in it asks for an address of the web."""
_NO_SPACE = '[!-"$-~]'
"""And with this in it, for one that a request can be sent to as it stands."""


def problems_of(error: ValidationError, model: type[BaseModel], where: str) -> list[str]:
    """One line for each fault of a table.

    Args:
        model: what the table was validated as; its fields are what a misspelt key is compared with.
        where: path of the table, e.g. `destination[1] (braze)`.
    """
    lines = []
    faults = error.errors(include_url=False, include_input=False)
    for fault in faults:
        if fault["type"] == "too_short" and any(_is_inside(other["loc"], fault["loc"]) for other in faults):
            continue  # what is in it is faulty, and was left out
        place = path(where, fault["loc"])
        if fault["type"] == "extra_forbidden":
            lines.append(f"{place}: {unknown(str(fault['loc'][-1]), _keys_at(model, fault['loc'][:-1]))}")
        else:
            words = _reason(fault["type"], fault["msg"], fault.get("ctx", {}))
            lines += [f"{place}: {line}" for line in words.split("\n")]  # a model may have found several
    return lines


def _is_inside(loc: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(loc) > len(outer) and loc[: len(outer)] == outer


def unknown(key: str, known: Iterable[str], noun: str = "key") -> str:
    """The words about a name that does not exist, with the nearest one that does."""
    known = sorted(known)
    near = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.6)
    if near:
        return f'unknown {noun} "{key}"; did you mean "{near[0]}"?'
    return f'unknown {noun} "{key}"; ' + (f"there is {', '.join(known)}" if known else "there is none")


def blank_ends(names: Iterable[str]) -> list[str]:
    """A warning for each name with white space at its ends: it is compared exactly."""
    odd = dict.fromkeys(name for name in names if name != name.strip())
    return [f'"{name}" begins or ends with white space, and names are compared exactly; take it out' for name in odd]


def path(where: str, loc: Iterable[int | str]) -> str:
    """A key path as operators read it: `server.listen`, `source[0] (website).origins[1]`."""
    for part in loc:
        where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else part
    return where


def _reason(kind: str, message: str, context: dict[str, Any]) -> str:
    if kind == "value_error":
        return str(context.get("error", message))
    if kind in ("string_too_short", "too_short"):
        least, what = context["min_length"], "characters" if kind == "string_too_short" else "entries"
        return "must not be empty" if least == 1 else f"too short; it must have at least {least} {what}"
    if kind == "literal_error":
        return f"must be one of {context['expected'].replace(chr(39), chr(34))}"
    if _ADDRESS in context.get("pattern", ""):
        rest = ", without a space, a # or a character outside ASCII" if _NO_SPACE in context["pattern"] else ""
        return f"must begin with http:// or https://{rest}"
    if kind in _WORDS:
        return _WORDS[kind].format(**context)
    return message[:1].lower() + message[1:]


def _keys_at(model: type[BaseModel], loc: Iterable[int | str]) -> list[str]:
    """The keys that the table at `loc` may have, in the file's spelling."""
    found: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, str) and found is not None:
            fields = {field.alias or name: field for name, field in found.model_fields.items()}
            found = _model_in(fields[part].annotation) if part in fields else None
    return [field.alias or name for name, field in found.model_fields.items()] if found else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model in an annotation such as `Model`, `tuple[Model, ...]` or `Model | None`."""
    if isinstance(annotation, type) and not get_origin(annotation) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, tuple, list, dict):
        return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
    return None
