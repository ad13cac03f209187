"""The part of PromQL that the alert rules use, so that they are tried out where there is no promtool. Where there is one, both must agree.

`increase` and `rate` do not extrapolate to the ends of their range as Prometheus does: for rules that compare with a bound this matters little.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from tests.monitoring.tape import Labels, Matcher, Tape

Vector = Mapping[Labels, float]
Value = float | Vector
Expression = Callable[[Tape, float], Value]
"""What an expression gives at an instant of a tape."""

_TOKEN = re.compile(
    r'\s*(?:(?P<number>\d+(?:\.\d+)?)(?![\w.])|(?P<range>\[\d+[smhd]\])|(?P<text>"[^"]*")|(?P<word>[a-zA-Z_:][\w:]*)'
    r"|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/(){},=<>]))"
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SIGNS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": lambda a, b: a / b if b else float("nan"),
}  # fmt: skip
_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip


def _increase(values: list[float]) -> float:
    """A counter that falls was set back to 0."""
    return sum(after - before if after >= before else after for before, after in pairwise(values))


def _changes(values: list[float]) -> float:
    return float(sum(before != after for before, after in pairwise(values)))


_OVER_TIME: Mapping[str, Callable[[list[float], float], float]] = {
    "increase": lambda values, _: _increase(values),
    "rate": lambda values, seconds: _increase(values) / seconds,
    "changes": lambda values, _: _changes(values),
}


def parse(text: str) -> Expression:
    """Raises ValueError for what is no PromQL, or more of it than this knows."""
    parser = _Parser(list(_tokens(text)))
    found = parser.both()
    parser.take("end")
    return found


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise ValueError(f"not known here: {text[at:]!r}")
        yield found.lastgroup, found[found.lastgroup]
        at = found.end()
    yield "end", ""


class _Parser:
    """By descent: `and` binds least, then comparisons, sums, products."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens

    def take(self, kind: str, word: str | None = None) -> str:
        """The next token, which must be of this kind."""
        found, text = self._tokens.pop(0)
        if found != kind or word not in (None, text):
            raise ValueError(f"{word or kind} expected, not {text!r}")
        return text

    def _next_is(self, *words: str) -> bool:
        return self._tokens[0][1] in words

    def both(self) -> Expression:
        left = self._comparison()
        while self._next_is("and"):
            self.take("word")
            self.take("word", "on")
            left = _and_on(left, self._names(), self._comparison())
        return left

    def _comparison(self) -> Expression:
        left = self._sum()
        while self._next_is(*_COMPARED):
            left = _compared(self.take("sign"), left, self._sum())
        return left

    def _sum(self) -> Expression:
        left = self._product()
        while self._next_is("+", "-"):
            left = _computed(self.take("sign"), left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._one()
        while self._next_is("*", "/"):
            left = _computed(self.take("sign"), left, self._one())
        return left

    def _one(self) -> Expression:
        kind, text = self._tokens[0]
        if kind == "number":
            number = float(self.take("number"))
            return lambda tape, at: number
        if text == "(":
            return self._in_brackets()
        word = self.take("word")
        if word == "absent":
            return _absent(self._in_brackets())
        if word == "sum":
            kept = self._names() if self._next_is("by") and self.take("word") else ()
            return _sum_by(kept, self._in_brackets())
        if word in _OVER_TIME:
            self.take("sign", "(")
            found = _over_time(_OVER_TIME[word], self.take("word"), self._matchers(), self._range())
            self.take("sign", ")")
            return found
        if self._next_is("("):
            raise ValueError(f"{word} is not known here")
        matchers = self._matchers()
        return lambda tape, at: tape.instant(word, matchers, at)

    def _in_brackets(self) -> Expression:
        self.take("sign", "(")
        found = self.both()
        self.take("sign", ")")
        return found

    def _range(self) -> int:
        text = self.take("range")
        return int(text[1:-2]) * _SECONDS[text[-2]]

    def _names(self) -> tuple[str, ...]:
        self.take("sign", "(")
        names = []
        while not self._next_is(")"):
            names.append(self.take("word"))
            if self._next_is(","):
                self.take("sign")
        self.take("sign", ")")
        return tuple(names)

    def _matchers(self) -> list[Matcher]:
        found: list[Matcher] = []
        if not self._next_is("{"):
            return found
        self.take("sign", "{")
        while not self._next_is("}"):
            found.append(Matcher(self.take("word"), self.take("sign"), self.take("text").strip('"')))
            if self._next_is(","):
                self.take("sign")
        self.take("sign", "}")
        return found


def _compared(sign: str, left: Expression, right: Expression) -> Expression:
    def expression(tape: Tape, at: float) -> Value:
        one, pairs = _pairs(left(tape, at), right(tape, at))
        return {labels: a for labels, a, b in pairs if _COMPARED[sign](a, b)} if one is None else float("nan")

    return expression


def _computed(sign: str, left: Expression, right: Expression) -> Expression:
    def expression(tape: Tape, at: float) -> Value:
        one, pairs = _pairs(left(tape, at), right(tape, at))
        return _SIGNS[sign](*one) if one is not None else {labels: _SIGNS[sign](a, b) for labels, a, b in pairs}

    return expression


def _pairs(left: Value, right: Value) -> tuple[tuple[float, float] | None, list[tuple[Labels, float, float]]]:
    """Two numbers; or for each label set that both sides have, its two values. A number is everywhere."""
    if isinstance(left, float | int) and isinstance(right, float | int):
        return (left, right), []
    if isinstance(left, float | int):
        assert not isinstance(right, float | int)
        return None, [(labels, left, value) for labels, value in right.items()]
    if isinstance(right, float | int):
        return None, [(labels, value, right) for labels, value in left.items()]
    return None, [(labels, value, right[labels]) for labels, value in left.items() if labels in right]


def _vector(value: Value) -> Vector:
    if isinstance(value, float | int):
        raise ValueError("a vector is expected, not a number")
    return value


def _and_on(left: Expression, names: tuple[str, ...], right: Expression) -> Expression:
    def expression(tape: Tape, at: float) -> Value:
        there = {_only(labels, names) for labels in _vector(right(tape, at))}
        return {labels: value for labels, value in _vector(left(tape, at)).items() if _only(labels, names) in there}

    return expression


def _absent(inner: Expression) -> Expression:
    def expression(tape: Tape, at: float) -> Value:
        return {} if _vector(inner(tape, at)) else {frozenset(): 1.0}

    return expression


def _sum_by(names: tuple[str, ...], inner: Expression) -> Expression:
    def expression(tape: Tape, at: float) -> Value:
        sums: dict[Labels, float] = {}
        for labels, value in _vector(inner(tape, at)).items():
            kept = _only(labels, names)
            sums[kept] = sums.get(kept, 0.0) + value
        return sums

    return expression


def _over_time(
    function: Callable[[list[float], float], float], name: str, matchers: list[Matcher], seconds: int
) -> Expression:
    def expression(tape: Tape, at: float) -> Value:
        windows = tape.window(name, matchers, at, seconds)
        return {labels: function(values, seconds) for labels, values in windows.items() if len(values) > 1}

    return expression


def _only(labels: Labels, names: tuple[str, ...]) -> Labels:
    return frozenset((name, value) for name, value in labels if name in names)
