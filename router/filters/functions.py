"""The functions of FQL. Each takes any values an event can hold, and never raises."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from router.filters.glob import Matcher, compile_glob
from router.filters.values import compact_json, is_number, type_of

MOST_DIGITS = 4_000
"""Digits of a text that is read as a number; Python reads no more than 4,300."""


MOST_PATTERN, MOST_STEPS = 256, 256 * 32 * 1024
"""Characters of a pattern that an event brings along, and of it times its text. Measured: 10 ms at most for 32 kB of text; a pattern of
32 kB took 80 ms to be read, and seconds to be looked for."""


class Function(NamedTuple):
    """A function: how many arguments it takes, the type of what it gives ("" where it depends), and itself."""

    arguments: int
    gives: str
    run: Callable[..., Any]


def _contains(text: Any, part: Any) -> bool:
    return type(text) is str and type(part) is str and part in text


def _match(text: Any, pattern: Any) -> bool:
    """Of a pattern that an event brings along. One that would take too long fits nothing."""
    if type(text) is not str or type(pattern) is not str:
        return False
    if len(pattern) > MOST_PATTERN or len(pattern) * len(text) > MOST_STEPS:
        return False
    fits = _glob_or_none(pattern)
    return fits is not None and fits(text)


@lru_cache(maxsize=256)
def _glob_or_none(pattern: str) -> Matcher | None:
    """A pattern that an event brings along; None where it is none."""
    try:
        return compile_glob(pattern)
    except ValueError:
        return None


def _length(value: Any) -> int | None:
    if type(value) is str:
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if value is None:
        return 0
    return len(value) if type(value) is list else None


def _of_text(change: Callable[[str], str]) -> Callable[[Any], str | None]:
    return lambda value: change(value) if type(value) is str else None


def _title(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))


def boolean(value: Any) -> bool | None:
    """A value as true or false; None for what is neither."""
    if type(value) is str:
        return {"true": True, "false": False, "": False}.get(value.lower())
    return bool(value)


_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)


def number(value: Any) -> int | float | None:
    """A number, or text in the form of one; None for anything else."""
    if is_number(value):
        return value  # type: ignore[no-any-return]
    if type(value) is not str or len(value) > MOST_DIGITS:
        return None
    text = value.strip()
    if not _NUMBER.fullmatch(text):
        return None
    if "." not in text:
        return int(text)
    read = float(text)
    return read if math.isfinite(read) else None


def _string(value: Any) -> str | None:
    return value if type(value) is str or value is None else compact_json(value)


SEMVER_OPERATORS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _version(value: Any) -> tuple[int, ...] | None:
    """Major, minor and patch; None where the text is no version."""
    if type(value) is not str or len(value) > MOST_DIGITS:
        return None
    found = [re.match("[0-9]+", part) for part in value.split(".")]
    if len(found) > 3 or None in found:
        return None
    numbers = [int(digits.group()) for digits in found if digits is not None]
    return (*numbers, *[0] * (3 - len(numbers)))


def _semver(version: Any, operator: Any, other: Any) -> bool:
    compare = SEMVER_OPERATORS.get(operator) if type(operator) is str else None
    left, right = _version(version), _version(other)
    return compare is not None and left is not None and right is not None and compare(left, right)


FUNCTIONS = {
    "contains": Function(2, "bool", _contains),
    "match": Function(2, "bool", _match),
    "length": Function(1, "number", _length),
    "lowercase": Function(1, "string", _of_text(str.lower)),
    "uppercase": Function(1, "string", _of_text(str.upper)),
    "snakecase": Function(1, "string", _of_text(lambda text: text.replace(" ", "_"))),
    "kebabcase": Function(1, "string", _of_text(lambda text: text.replace(" ", "-"))),
    "titlecase": Function(1, "string", _of_text(_title)),
    "typeof": Function(1, "string", type_of),
    "bool": Function(1, "bool", boolean),
    "number": Function(1, "number", number),
    "string": Function(1, "string", _string),
    "semver": Function(3, "bool", _semver),
}
