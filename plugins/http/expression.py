"""Reads `${path | function | function(argument)}` in a text of config.toml. No code of anybody is run: a text becomes a list of
paths and of functions that are listed in `functions.py`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

from plugins.http.functions import FUNCTIONS, Change, is_missing
from plugins.http.scope import MISSING, ROOTS, TABLES, Scope, within
from router.plugin import JSON

Reader = Callable[[Scope], JSON]

_QUOTED = "'[^']*'"
_PIECE = re.compile(rf"\$\$\{{|\$\{{((?:[^{{}}']|{_QUOTED})*)\}}")
_STEP = re.compile(rf"(?:[^|']|{_QUOTED})+")
_CALL = re.compile(r"(\w+)\s*(?:\((.*)\))?", re.ASCII)
_LITERAL = rf"{_QUOTED}|-?\d+(?:\.\d+)?|true|false"
_ARGUMENTS = re.compile(rf"\s*(?:{_LITERAL})\s*(?:,\s*(?:{_LITERAL})\s*)*", re.ASCII)


class Names(NamedTuple):
    """What a template can use beside the fields of an event."""

    values: Collection[str] = ()  #: the values above it
    in_each: bool = False  #: it is filled in for each entry of a list, which is `item`
    hash_key: bytes = b""  #: empty: there is none


class Expression:
    """One `${...}`: a path, and the functions that its value goes through."""

    def __init__(self, path: str, read: Reader, steps: Iterable[tuple[str, Change]]) -> None:
        self.path = path
        self._read = read
        self._steps = tuple(steps)

    def __call__(self, scope: Scope) -> JSON:
        """The value for an event, or MISSING."""
        value = self._read(scope)
        for name, change in self._steps:
            if is_missing(value) != (name == "default"):
                continue
            scope.spend(value)
            value = change(value)
        scope.spend(value)
        return MISSING if is_missing(value) else value

    @property
    def word(self) -> str:
        """The last key of its path, as a word in the reason of a skip."""
        return re.sub(r"\W+", "_", self.path.rpartition(".")[2], flags=re.ASCII)[:60]


def read_text(text: str, names: Names) -> list[str | Expression]:
    """The literal parts of a text and its expressions, in order; a text without any is itself.

    Raises:
        ValueError: with the words the operator reads.
    """
    parts: list[str | Expression] = []
    end = 0
    for found in _PIECE.finditer(text):
        parts += [_literal(text[end : found.start()])]
        parts += ["${" if found[1] is None else read_expression(found[1], names)]
        end = found.end()
    parts += [_literal(text[end:])]
    return _joined(parts)


def read_expression(inner: str, names: Names) -> Expression:
    """What may be between `${` and `}`. Raises ValueError with the words the operator reads."""
    steps = [step.strip() for step in _STEP.findall(inner)]
    if not steps or not all(steps) or len(steps) != re.sub(_QUOTED, "", inner).count("|") + 1:
        raise ValueError(f'"{inner}" is not complete; write a path, or path | function')
    return Expression(steps[0], _reader(steps[0], names), [_function(step, names) for step in steps[1:]])


def _literal(text: str) -> str:
    if "${" in text:
        raise ValueError(
            f'"{text[text.index("${") :][:40]}" has no end; write ${{path}}, or $${{ for the characters ${{'
        )
    return text


def _joined(parts: Iterable[str | Expression]) -> list[str | Expression]:
    """Without empty literals, and with neighbouring ones as one."""
    joined: list[str | Expression] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    return joined


def _reader(path: str, names: Names) -> Reader:
    root, *keys = (key.strip() for key in path.split("."))
    if "" in (root, *keys):
        raise ValueError(f'"{path}": a key between two dots is empty')
    if root == "values":
        return _value_reader(path, keys, names.values)
    if root == "item":
        if not names.in_each:
            raise ValueError(f'"{path}": item is an entry of a list; use it in the "@make" of an "@each"')
        return lambda scope: within(scope.item, keys)
    if root not in ROOTS:
        raise ValueError(unknown("field", root, [*ROOTS, "values", "item"]))
    if keys and root not in TABLES:
        raise ValueError(f'"{path}": {root} has no keys; write ${{{root}}}')
    if root == "user" and keys[:1] == ["id"]:
        raise ValueError('"user.id": the id of a user is ${userId}')
    if root == "group" and keys == ["id"]:
        return lambda scope: scope.context.group.id if scope.context.group else None
    look = ROOTS[root]
    return (lambda scope: within(look(scope), keys)) if keys else look


def _value_reader(path: str, keys: list[str], values: Collection[str]) -> Reader:
    if not keys or keys[0] not in values:
        name = keys[0] if keys else ""
        raise ValueError(f'"{path}": ' + unknown("value", name, values) + "; a value can use those above it only")
    name, rest = keys[0], keys[1:]
    return lambda scope: within(scope.value(name), rest)


def _function(step: str, names: Names) -> tuple[str, Change]:
    found = _CALL.fullmatch(step)
    if found is None:
        raise ValueError(f'"{step}" is no function; write e.g. {FUNCTIONS["max_length"].example}')
    name, given = found[1], found[2]
    if name not in FUNCTIONS:
        raise ValueError(unknown("function", name, FUNCTIONS))
    function = FUNCTIONS[name]
    arguments = _arguments(given, function.example) if given is not None else []
    counted = len(arguments) >= len(function.takes) if function.more else len(arguments) == len(function.takes)
    kinds = (*function.takes, *function.takes[-1:] * (len(arguments) - len(function.takes)))
    typed = all(kind is object or type(argument) is kind for kind, argument in zip(kinds, arguments, strict=False))
    if not counted or not typed:
        raise ValueError(f"{name} is written as {function.example}")
    if function.keyed and not names.hash_key:
        raise ValueError(f'{name} needs a key; write hash_key = {{ env = "NAME" }} in the settings, or use sha256')
    return name, function.make(*([names.hash_key] if function.keyed else []), *arguments)


def _arguments(given: str, example: str) -> list[Any]:
    if not _ARGUMENTS.fullmatch(given):
        raise ValueError(f"({given}): an argument is text between single quotes, a number, true or false: {example}")
    return [_argument(word) for word in re.findall(_LITERAL, given)]


def _argument(word: str) -> Any:
    if word[0] == "'":
        return word[1:-1]
    if word in ("true", "false"):
        return word == "true"
    return float(word) if "." in word else int(word)


def unknown(noun: str, name: str, known: Collection[str]) -> str:
    """The words about a name that does not exist, with the nearest one that does."""
    near = difflib.get_close_matches(name.lower(), {each.lower(): each for each in known}, n=1, cutoff=0.6)
    spelled = next((each for each in known if near and each.lower() == near[0]), None)
    there = f'did you mean "{spelled}"?' if spelled else f"there is {', '.join(known) or 'none'}"
    return f'unknown {noun} "{name}"; {there}'
