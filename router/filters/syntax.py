"""What an expression consists of. `at` is the place in the text, counted from 0."""

from __future__ import annotations

from dataclasses import dataclass

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Literal:
    """A text, number, true, false or null."""

    value: Scalar
    at: int


@dataclass(frozen=True)
class Path:
    """Keys that lead to a value of the event."""

    keys: tuple[str, ...]
    at: int


@dataclass(frozen=True)
class Listing:
    """A list written in the expression."""

    items: tuple[Literal | Path, ...]
    at: int


@dataclass(frozen=True)
class Call:
    """A function of values."""

    name: str
    arguments: tuple[Value, ...]
    at: int


Value = Literal | Path | Listing | Call


@dataclass(frozen=True)
class Truth:
    """A value by itself: it holds where it is the bool true."""

    value: Value


@dataclass(frozen=True)
class Comparison:
    """Two values held against each other by `=`, `!=`, `<`, `<=`, `>`, `>=` or `in`."""

    left: Value
    operator: str
    right: Value
    at: int  #: of the operator


@dataclass(frozen=True)
class Not:
    """The opposite."""

    inner: Boolean


@dataclass(frozen=True)
class Every:
    """All of these hold: `and`."""

    terms: tuple[Boolean, ...]


@dataclass(frozen=True)
class Some:
    """At least one of these holds: `or`."""

    terms: tuple[Boolean, ...]


@dataclass(frozen=True)
class Everything:
    """The word `all`, alone."""


Boolean = Truth | Comparison | Not | Every | Some | Everything
