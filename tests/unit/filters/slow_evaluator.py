"""FQL once more, as plainly as can be: text and value of an expression made together, evaluated without any preparation.

It shares no code with the compiler. Differences between the two are faults of one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Made(NamedTuple):
    """An expression: its text, and what it gives for an event."""

    text: str
    value: Callable[[Any], Any]


def same(one: Any, other: Any) -> bool:
    """Strict equality, by the names of types."""
    if kind(one) != kind(other):
        return False
    if kind(one) == "list":
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if kind(one) == "object":
        return sorted(one) == sorted(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "list" if isinstance(value, list) else "object"


def path(*keys: str) -> Made:
    def look(event: Any) -> Any:
        for key in keys:
            event = event[key] if isinstance(event, dict) and key in event else None
        return event

    return Made(".".join("".join(c if c.isalnum() or c in "_-" else f"\\{c}" for c in key) for key in keys), look)


def literal(value: Any) -> Made:
    if isinstance(value, str):
        quote = '"' if "'" in value else "'"
        return Made(f"{quote}{value}{quote}", lambda event: value)
    words = {True: "true", False: "false", None: "null"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return Made(text, lambda event: value)


def listing(items: list[Made]) -> Made:
    return Made(f"[{', '.join(item.text for item in items)}]", lambda event: [item.value(event) for item in items])


def compared(left: Made, operator: str, right: Made) -> Made:
    def decide(event: Any) -> bool:
        a, b = left.value(event), right.value(event)
        if operator in ("=", "!="):
            return same(a, b) is (operator == "=")
        if operator == "in":
            return kind(b) == "list" and any(same(a, item) for item in b)
        if kind(a) != "number" or kind(b) != "number":
            return False
        return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator])

    return Made(f"{left.text} {operator} {right.text}", decide)


def true_of(value: Made) -> Made:
    return Made(value.text, lambda event: value.value(event) is True)


def negated(inner: Made) -> Made:
    return Made(f"!( {inner.text} )", lambda event: not inner.value(event))


def joined(word: str, terms: list[Made]) -> Made:
    decide = all if word == "and" else any
    return Made(
        f" {word} ".join(f"({term.text})" for term in terms), lambda event: decide(t.value(event) for t in terms)
    )


def fits(pattern: str, text: str) -> bool:
    """A glob of `*`, `?` and plain characters, by trying everything."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(fits(pattern[1:], text[n:]) for n in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and fits(pattern[1:], text[1:])


def call(name: str, arguments: list[Made]) -> Made:
    def decide(event: Any) -> Any:
        values = [argument.value(event) for argument in arguments]
        first = values[0]
        match name:
            case "contains":
                return all(kind(v) == "string" for v in values) and values[0].find(values[1]) >= 0
            case "match":
                return all(kind(v) == "string" for v in values) and fits(values[1], values[0])
            case "length":
                measured = {"string": lambda: len(first.encode("utf-8")), "list": lambda: len(first), "null": lambda: 0}
                return measured.get(kind(first), lambda: None)()
            case "lowercase":
                return first.lower() if kind(first) == "string" else None
            case "typeof":
                return kind(first)
        raise AssertionError(name)

    return Made(f"{name}( {', '.join(argument.text for argument in arguments)} )", decide)
