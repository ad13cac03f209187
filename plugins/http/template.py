"""Templates: a value of config.toml with `${...}` in it, compiled once into a function of an event.

text, one expression alone   the value as it is, with its type
text with expressions in it  text; missing as soon as one of them is
table, list                  the same with each value; what is missing is left out, and all that is empty by it
{"@first" = [...]}           the first of these that is not missing
{"@merge" = [...]}           tables as one; of two values under one key the later is taken
{"@each" = "${path}", "@make" = ...}   a list: what `@make` comes to for each entry of the list at the path, which is `item` there
anything else                itself
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any

from plugins.http.expression import Expression, Names, read_text
from plugins.http.functions import plain_text
from plugins.http.scope import MISSING, ROOTS, Scope
from router.plugin import JSON

Template = Callable[[Scope], JSON]

DIRECTIVES = ("@first", "@merge")
LOOP = {"@each", "@make"}


class Faults(list[str]):
    """What is wrong with templates: key path, cause and remedy."""

    def add(self, where: str, words: object) -> None:
        """One more."""
        self.append(f"{where}: {words}")


def compile_template(given: Any, where: str, names: Names, faults: Faults) -> Template:
    """The template of a value of config.toml.

    Args:
        where: the key path of the value.
        names: what it can use beside the fields of an event.
        faults: gets what is wrong.
    """
    if isinstance(given, str):
        return _text(given, where, names, faults)
    if isinstance(given, list):
        return _list([compile_template(each, f"{where}[{n}]", names, faults) for n, each in enumerate(given)])
    if isinstance(given, Mapping):
        return _table(given, where, names, faults)
    if words := _not_json(given):
        faults.add(where, words)
    return lambda scope: given


def _text(given: str, where: str, names: Names, faults: Faults) -> Template:
    try:
        parts = read_text(given, names)
    except ValueError as error:
        faults.add(where, error)
        return lambda scope: MISSING
    if len(parts) == 1 and isinstance(parts[0], Expression):
        return parts[0]
    if all(isinstance(part, str) for part in parts):
        whole = "".join(part for part in parts if isinstance(part, str))
        return lambda scope: whole
    return lambda scope: _interpolated(parts, scope)


def _interpolated(parts: list[str | Expression], scope: Scope) -> JSON:
    texts = [part if isinstance(part, str) else plain_text(part(scope)) for part in parts]
    return MISSING if MISSING in texts else "".join(texts)


def _table(given: Mapping[str, Any], where: str, names: Names, faults: Faults) -> Template:
    if given.keys() == LOOP:
        return _each(given["@each"], given["@make"], where, names, faults)
    for key in given:
        if key.startswith("@") and (key not in DIRECTIVES or len(given) > 1):
            words = f"{' and '.join(DIRECTIVES)} are alone in a table, and @each stands with @make only"
            faults.add(f"{where}.{key}", f"{words}; no other key begins with @")
        elif "${" in key:
            faults.add(f"{where}.{key}", "a key is taken as it is; templates are for values only")
    if len(given) == 1 and (directive := next(iter(given))) in DIRECTIVES:
        choices = given[directive]
        if not isinstance(choices, list) or not choices:
            faults.add(f"{where}.{directive}", 'write a list, e.g. ["${user.email}", "${userId}"]')
            return lambda scope: MISSING
        place = f"{where}.{directive}"
        templates = [compile_template(each, f"{place}[{n}]", names, faults) for n, each in enumerate(choices)]
        return _first(templates) if directive == "@first" else _merge(templates)
    entries = {key: compile_template(value, f"{where}.{key}", names, faults) for key, value in given.items()}

    def make(scope: Scope) -> JSON:
        made = {key: value for key, entry in entries.items() if (value := entry(scope)) is not MISSING}
        return made if made or not entries else MISSING

    return make


def _list(entries: list[Template]) -> Template:
    def make(scope: Scope) -> JSON:
        made = [value for entry in entries if (value := entry(scope)) is not MISSING]
        return made if made or not entries else MISSING

    return make


def _each(given: Any, made: Any, where: str, names: Names, faults: Faults) -> Template:
    before = len(faults)
    entries = compile_template(given, f"{where}.@each", names, faults)
    if len(faults) == before and (words := _not_a_list(entries)):
        faults.add(f"{where}.@each", f'{words}; write the path of a list, e.g. "${{properties.products}}"')
    template = compile_template(made, f"{where}.@make", names._replace(in_each=True), faults)

    def make(scope: Scope) -> JSON:
        found = entries(scope)
        results = [template(scope.at(entry)) for entry in found] if isinstance(found, list) else []
        return [result for result in results if result is not MISSING] or MISSING

    return make


def _not_a_list(entries: Template) -> str:
    """Why a template is never a list; "" where it may be one."""
    if not isinstance(entries, Expression):
        return "that is no path"
    return f"{entries.path} is no list" if entries.path in ROOTS else ""


def _first(choices: list[Template]) -> Template:
    return lambda scope: next((value for choice in choices if (value := choice(scope)) is not MISSING), MISSING)


def _merge(parts: list[Template]) -> Template:
    def make(scope: Scope) -> JSON:
        merged: dict[str, JSON] = {}
        for part in parts:
            value = part(scope)
            if isinstance(value, Mapping):
                merged |= value
        return merged or MISSING

    return make


def _not_json(value: Any) -> str:
    """Why a constant cannot be in a request; "" if it can."""
    if isinstance(value, datetime | date | time):
        return 'JSON has no dates and times; write text between quotes, e.g. "2026-01-31"'
    if isinstance(value, float) and not math.isfinite(value):
        return "JSON has no inf and nan; write a number"
    if isinstance(value, int) and value.bit_length() > 63:
        return "too large a number; write it as text between quotes"
    return "" if isinstance(value, bool | int | float) else f"{type(value).__name__} is no value of JSON"
