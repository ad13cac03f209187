"""The templates of the settings, compiled: what becomes of each call type. With them come all faults, each with its key path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from plugins.http.checks import header_fault, is_sendable, path_fault
from plugins.http.expression import Expression, Names, read_expression, read_text
from plugins.http.functions import plain_text
from plugins.http.scope import MISSING, Scope
from plugins.http.template import Faults, Template, compile_template
from router.plugin import JSON, Context, Event, Group, Item, Reject, Skip, UserId

if TYPE_CHECKING:
    from plugins.http.settings import CallSettings, HttpSettings

TYPES = ("identify", "group", "track", "page", "screen", "alias")
SINGLE = ("json", "form")
"""Formats with one event in a request."""

Parts = list[str | Expression]


@dataclass(frozen=True)
class Call:
    """What becomes of the calls of one type."""

    settings: CallSettings
    values: Mapping[str, Template]
    path: Parts
    headers: Mapping[str, Parts]
    body: Template | None
    required: list[Expression]
    needs_table: bool  #: the body can be a table only
    kind: str  #: items of one kind have the same method, path and headers, unless these depend on the event

    def item(self, event: Event, context: Context) -> Item | None:
        """The request of an event, but for what the settings add; None if nothing is left of it.

        Raises:
            Skip: something that is required is missing.
            Reject: a value cannot be sent.
        """
        scope = Scope(event, context, self.values)
        for expression in self.required:
            if expression(scope) is MISSING:
                raise Skip(f"missing_{expression.word}")
        made: dict[str, JSON] = {"method": self.settings.method, "path": _path(self.path, scope)}
        if headers := dict(_headers(self.headers, scope)):
            made["headers"] = headers
        if self.body is not None:
            body = self.body(scope)
            if body is MISSING:
                return None
            if self.needs_table and not isinstance(body, Mapping):
                raise Reject("invalid_body", "the body is no table, and fields and forms are made of tables")
            made["body"] = body
        if self.settings.array:
            made["array"] = self.settings.array
        return Item(made, self.kind)

    @property
    def requires(self) -> tuple[UserId | Group, ...]:
        """What the router makes sure of before."""
        named = self.settings.requires
        needs: list[UserId | Group] = [UserId()] if "user_id" in named else []
        groups = [name.removeprefix("group.") for name in named if name != "user_id"]
        if groups:
            needs.append(Group("id", *dict.fromkeys(name for name in groups if name != "id")))
        return tuple(needs)


def _path(parts: Parts, scope: Scope) -> str:
    path = ""
    for part in parts:
        if isinstance(part, str):
            path += part
            continue
        value = plain_text(part(scope))
        if value is MISSING:
            raise Skip(f"missing_{part.word}")
        try:
            path += quote(value, safe="")
        except UnicodeEncodeError:
            raise Reject("invalid_path", f"the value of {part.path} holds half a character") from None
    if any(step in (".", "..") for step in path.partition("?")[0].split("/")):
        raise Reject("invalid_path", "a value of the path is . or .., which are steps from directory to directory")
    return path


def _headers(headers: Mapping[str, Parts], scope: Scope) -> Iterator[tuple[str, str]]:
    """Those of which no value is missing."""
    for name, parts in headers.items():
        texts = [part if isinstance(part, str) else plain_text(part(scope)) for part in parts]
        if MISSING in texts:
            continue
        value = "".join(texts).strip()
        if not is_sendable(value):
            raise Reject("invalid_header", f"the value of the header {name} holds characters that no header can have")
        yield name, value


# ---------------------------------------------------------------- compiling


def read_calls(settings: HttpSettings) -> tuple[dict[str, Call], Faults]:
    """The calls that the settings have a table for, by type, and all that is wrong."""
    faults = Faults()
    values: dict[str, Template] = {}
    names = Names(values, hash_key=settings.hash_key.get_secret_value().encode() if settings.hash_key else b"")
    for name, given in settings.values.items():
        if not name.isidentifier():
            faults.add(f"values.{name}", "write a name of letters, digits and _")
        values[name] = compile_template(given, f"values.{name}", names, faults)  # it can use those above it
    tables = {type: table for type in TYPES if (table := getattr(settings, type)) is not None}
    calls = {type: _call(type, table, settings, names, values, faults) for type, table in tables.items()}
    if not calls:
        faults.add(
            "track", "there is no table of a call type; write what becomes of one, e.g. [destination.settings.track]"
        )
    if settings.max_items > 1 and settings.format in SINGLE:
        faults.add(
            "max_items", f'format = "{settings.format}" has one event in a request; write array, lines or object'
        )
    if settings.fields and settings.format in ("array", "lines"):
        faults.add("fields", f'format = "{settings.format}" has no place for them; write json, form or object')
    return calls, faults


def _call(
    type: str,
    table: CallSettings,
    settings: HttpSettings,
    names: Names,
    values: Mapping[str, Template],
    faults: Faults,
) -> Call:
    path = _read(table.path, f"{type}.path", names, faults)
    if path and isinstance(path[0], Expression):
        faults.add(f"{type}.path", 'begin it with "/" or "?"; the event would choose the host')
    for n, part in enumerate(path):
        if isinstance(part, str) and (fault := path_fault(part, is_start=n == 0)):
            faults.add(f"{type}.path", fault)
    headers = {}
    for name, given in table.headers.items():
        where = f"{type}.headers.{name}"
        literal = given if "${" not in given else ""
        if fault := header_fault(name, literal, has_token=settings.token is not None):
            faults.add(where, fault)
        headers[name] = _read(given, where, names, faults)
    if settings.max_items > 1:
        _check_shared(type, path, headers, faults)
    body = None if table.body is None else compile_template(table.body, f"{type}.body", names, faults)
    _check_body(type, table, settings, faults)
    _check_requires(type, table, faults)
    target = [f"{table.method} {table.path}".strip(), *(f"{name}: {given}" for name, given in table.headers.items())]
    needs_table = settings.format == "form" or (settings.format == "json" and bool(settings.fields))
    required = _required(type, table, names, faults)
    return Call(table, values, path, headers, body, required, needs_table, "\n".join(target))


def _read(given: str, where: str, names: Names, faults: Faults) -> Parts:
    try:
        return read_text(given, names)
    except ValueError as error:
        faults.add(where, error)
        return []


def _check_shared(type: str, path: Parts, headers: Mapping[str, Parts], faults: Faults) -> None:
    """Events in one request share its path and headers."""
    for where, parts in {f"{type}.path": path, **{f"{type}.headers.{n}": p for n, p in headers.items()}}.items():
        if any(isinstance(part, Expression) for part in parts):
            faults.add(where, "it depends on the event, and several events share a request; write max_items = 1")


def _check_body(type: str, table: CallSettings, settings: HttpSettings, faults: Faults) -> None:
    if table.body is None:
        if settings.format != "json":
            faults.add(f"{type}.body", f'missing; format = "{settings.format}" is made of it')
    elif isinstance(table.body, dict) and "@each" in table.body and (settings.format == "form" or settings.fields):
        faults.add(
            f"{type}.body", "it is a list, and a form and `fields` need a table; put @each under a key of the body"
        )
    elif not isinstance(table.body, dict) and not (isinstance(table.body, str) and "${" in table.body):
        faults.add(f"{type}.body", 'write a table of templates, or a path such as "${call}"')
    if (settings.format == "object") != bool(table.array):
        words = 'missing; name the array, e.g. array = "events"' if not table.array else 'only with format = "object"'
        faults.add(f"{type}.array", words)
    if isinstance(table.body, dict) and settings.format in SINGLE:
        for key in (name for name in settings.fields if name in table.body):
            faults.add(f"{type}.body.{key}", "`fields` has a key of the same name; leave one of them out")
    if table.array and table.array in settings.fields:
        faults.add(f"{type}.array", "a key of `fields` has the same name; give each its own")


def _required(type: str, table: CallSettings, names: Names, faults: Faults) -> list[Expression]:
    found = []
    for n, given in enumerate(table.required):
        try:
            found.append(read_expression(given, names))
        except ValueError as error:
            faults.add(f"{type}.required[{n}]", error)
    return found


def _check_requires(type: str, table: CallSettings, faults: Faults) -> None:
    for n, name in enumerate(table.requires):
        if name != "user_id" and not (name.startswith("group.") and name != "group."):
            faults.add(
                f"{type}.requires[{n}]",
                'not a requirement; write "user_id", "group.id" or "group." and a trait, e.g. "group.name"',
            )
        elif type == "group" and name != "user_id":
            faults.add(
                f"group.requires[{n}]",
                "a group call opens the gate, so it would wait for itself; leave it out, or name what the call itself must have"
                ' in `required`, e.g. "traits.name"',
            )
