"""One JSON Schema of a plan, compiled by jsonschema-rs. Nothing is ever fetched, and every pattern takes linear time.

The library is loaded with the first plan, since it takes 15 MB.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from router.extras import pip_install
from router.plans import references, repetition

if TYPE_CHECKING:
    import jsonschema_rs

INSTALL = (
    "tracking plans need the package jsonschema-rs, which is not installed; install it with"
    f" `{pip_install('plans')}`, or start with ./run, which installs it"
)

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
ASSERTED = frozenset({"date-time", "date", "email", "uri", "uuid", "ipv4", "ipv6", "hostname"})
"""Formats that are checked, in every draft. All others mean nothing."""
_KNOWN_TO_LIBRARY = frozenset(
    {"duration", "idn-email", "idn-hostname", "iri", "iri-reference", "json-pointer", "regex", "relative-json-pointer",
     "time", "uri-reference", "uri-template"}
)  # fmt: skip
_NOT_IN_EVERY_DRAFT = ("date", "uuid")

_JSON_TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")

_OLD_INTEGERS = re.compile(r"draft-0?[34]/")
"""Drafts in which 2.0 is no integer."""


class SchemaError(Exception):
    """A schema cannot be used: the JSON path below the schema, and why."""

    def __init__(self, path: str, words: str) -> None:
        super().__init__(words)
        self.path = path


class PlansUnavailable(Exception):
    """jsonschema-rs is not installed."""


class Schema:
    """A schema that calls can be held against."""

    __slots__ = ("_lists", "_validator", "_wants_integers", "dialect", "listed")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        """Raises SchemaError, PlansUnavailable."""
        library = _library()
        schema = {"$schema": DRAFT_7, **raw}
        if (refused := references.fault_of(schema)) is not None:
            steps, words = refused
            raise SchemaError("".join(map(_step, steps)), words)
        if fault := repetition.fault_of(schema):  # before the library follows its references
            raise SchemaError("", fault)
        self._validator = _compiled(library, schema)
        self.dialect = str(schema["$schema"])
        self._wants_integers = bool(_OLD_INTEGERS.search(self.dialect))
        #: names directly under each container that the schema lists
        self.listed: dict[str, frozenset[str]] = {}
        self._lists: dict[str, list[Callable[[Any], bool]]] = {}
        for container in ("properties", "traits"):
            found = list(_parts(schema, _inner(schema, container)))
            self.listed[container] = frozenset(name for part in found for name in _keys(part, "properties"))
            patterns = [pattern for part in found for pattern in _keys(part, "patternProperties")]
            self._lists[container] = [_compiled(library, {"pattern": pattern}).is_valid for pattern in patterns]

    def errors(self, call: Any) -> Iterator[jsonschema_rs.ValidationError]:
        """Every error of a call."""
        found: Iterator[jsonschema_rs.ValidationError]
        found = self._validator.iter_errors(_with_integers(call) if self._wants_integers else call)
        return found

    def first_error(self, call: Any) -> jsonschema_rs.ValidationError | None:
        """One error of a call, in a time that does not depend on how many there are; None: it fits."""
        try:
            self._validator.validate(_with_integers(call) if self._wants_integers else call)
        except _library().ValidationError as error:
            found: jsonschema_rs.ValidationError = error
            return found
        return None

    def lists(self, container: str, name: str) -> bool:
        """Whether the schema lists this name directly under `properties` or `traits`."""
        return name in self.listed[container] or any(matches(name) for matches in self._lists[container])


def _library() -> Any:
    try:
        return importlib.import_module("jsonschema_rs")
    except ImportError:
        raise PlansUnavailable(INSTALL) from None


@lru_cache(maxsize=1)
def _formats(library: Any) -> dict[str, Callable[[str], bool]]:
    """What is asked of formats that the library would handle otherwise."""
    formats: dict[str, Callable[[str], bool]] = dict.fromkeys(_KNOWN_TO_LIBRARY, lambda value: True)
    for name in _NOT_IN_EVERY_DRAFT:
        formats[name] = library.Draft202012Validator({"format": name}, validate_formats=True).is_valid
    return formats


def _compiled(library: Any, schema: Mapping[str, Any]) -> Any:
    try:
        return library.validator_for(
            schema,
            validate_formats=True,
            formats=_formats(library),
            offline=True,
            pattern_options=library.RegexOptions(),
        )
    except library.ValidationError as error:
        raise _told(library, schema, error) from None
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise SchemaError("", f"{error}; correct the schema") from None


def _told(library: Any, schema: Any, error: Any) -> SchemaError:
    """What is wrong with a schema, and where."""
    first = error.message.split("\n")[0]
    if isinstance(error.kind, library.ValidationErrorKind.Referencing):
        if schema.get("$schema") and first.startswith("Unknown meta-schema"):
            words = (
                f"no draft of JSON Schema has this name: {schema['$schema']!r}; write e.g. {DRAFT_7!r}, or leave it out"
            )
            return SchemaError(".$schema", words)
        return SchemaError("", f"{first}; correct the reference")
    path = "".join(_step(step) for step in error.instance_path)
    if isinstance(error.kind, library.ValidationErrorKind.Format):
        words = f"{first}; look-around and references to groups are not accepted in a pattern, so write it without them"
        return SchemaError(path, words)
    if error.instance_path and error.instance_path[-1] == "type":
        return SchemaError(path, f"{error.instance!r} is no type; write {', '.join(_JSON_TYPES)}, or a list of them")
    return SchemaError(path, f"{first}; correct the schema")


def _step(step: str | int) -> str:
    """One step of a JSON path."""
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if re.fullmatch(r"[$\w-]+", step) else f"[{step!r}]"


def _inner(schema: Mapping[str, Any], container: str) -> Any:
    properties = schema.get("properties")
    return properties.get(container) if isinstance(properties, dict) else None


def _parts(schema: Mapping[str, Any], part: Any, depth: int = 8) -> Iterator[Mapping[str, Any]]:
    """A schema of an object with all that it refers to inside the document and all of its `allOf`."""
    if not isinstance(part, dict) or depth == 0:
        return
    yield part
    reference = part.get("$ref")
    place = references.place_of(reference) if isinstance(reference, str) else None
    if place is not None:
        yield from _parts(schema, references.at(schema, place), depth - 1)
    for other in part.get("allOf") or ():
        yield from _parts(schema, other, depth - 1)


def _keys(part: Mapping[str, Any], key: str) -> list[str]:
    found = part.get(key)
    return list(found) if isinstance(found, dict) else []


def _with_integers(value: Any) -> Any:
    """The same with 2.0 as 2: in draft 4 it would be no integer."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _with_integers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_integers(inner) for inner in value]
    return value
