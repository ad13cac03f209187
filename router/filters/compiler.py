"""From syntax to closures. An event is a JSON object, so its values are of exact types: `type(x) is str` is safe and quick."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from router.filters.functions import FUNCTIONS
from router.filters.glob import compile_glob
from router.filters.syntax import (
    Boolean,
    Call,
    Comparison,
    Every,
    Everything,
    Listing,
    Literal,
    Not,
    Path,
    Some,
    Truth,
    Value,
)
from router.filters.values import equal

Event = Mapping[str, Any]
Condition = Callable[[Event], bool]
Getter = Callable[[Event], Any]

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compile_boolean(expression: Boolean) -> Condition:
    """The condition of a checked expression."""
    match expression:
        case Everything():
            return lambda event: True
        case Truth(value):
            return _truth(value)
        case Comparison():
            return _comparison(expression)
        case Not(inner):
            return _opposite(compile_boolean(inner))
        case Every(terms):
            return _every(tuple(map(compile_boolean, terms)))
        case Some(terms):
            return _some(tuple(map(compile_boolean, terms)))


def _opposite(condition: Condition) -> Condition:
    return lambda event: not condition(event)


def _every(conditions: tuple[Condition, ...]) -> Condition:
    if len(conditions) == 2:
        one, two = conditions
        return lambda event: one(event) and two(event)

    def every(event: Event) -> bool:
        for condition in conditions:  # noqa: SIM110  # `all` with a generator takes twice as long
            if not condition(event):
                return False
        return True

    return every


def _some(conditions: tuple[Condition, ...]) -> Condition:
    if len(conditions) == 2:
        one, two = conditions
        return lambda event: one(event) or two(event)

    def some(event: Event) -> bool:
        for condition in conditions:  # noqa: SIM110  # as above
            if condition(event):
                return True
        return False

    return some


# ---------------------------------------------------------------- values


def compile_path(keys: tuple[str, ...]) -> Getter:
    """The value at these keys; None where there is none, and where the path leads through anything but objects."""
    if len(keys) == 1:
        (key,) = keys
        return lambda event: event.get(key)
    if len(keys) == 2:
        outer, inner = keys

        def of_two(event: Event) -> Any:
            found = event.get(outer)
            return found.get(inner) if type(found) is dict else None

        return of_two
    first, *rest = keys

    def of_many(event: Event) -> Any:
        found = event.get(first)
        for key in rest:
            if type(found) is not dict:
                return None
            found = found.get(key)
        return found

    return of_many


def _value(value: Value) -> Getter:
    match value:
        case Literal(constant):
            return lambda event: constant
        case Path(keys):
            return compile_path(keys)
        case Listing(items):
            getters = [_value(item) for item in items]
            return lambda event: [get(event) for get in getters]
        case Call():
            return _call(value)


def _call(call: Call) -> Getter:
    run = FUNCTIONS[call.name].run
    getters = [_value(argument) for argument in call.arguments]
    match getters:
        case [get]:
            return lambda event: run(get(event))
        case [one, two]:
            return _with_text(call) or (lambda event: run(one(event), two(event)))
    return lambda event: run(*[get(event) for get in getters])


def _with_text(call: Call) -> Condition | None:
    """`contains` and `match` with a text that the expression itself gives: the usual case, looked at once."""
    first, second = call.arguments
    if not isinstance(second, Literal) or not isinstance(second.value, str):
        return None
    get, part = _value(first), second.value
    fits = compile_glob(part) if call.name == "match" else None

    def contains(event: Event) -> bool:
        text = get(event)
        return type(text) is str and part in text

    def matches(event: Event) -> bool:
        text = get(event)
        return type(text) is str and fits is not None and fits(text)

    return contains if fits is None else matches


def _truth(value: Value) -> Condition:
    get = _value(value)
    return lambda event: get(event) is True


# ---------------------------------------------------------------- comparisons


def _comparison(part: Comparison) -> Condition:
    match part.operator:
        case "=":
            return _equal(part.left, part.right)
        case "!=":
            return _opposite(_equal(part.left, part.right))
        case "in":
            return _member(part.left, part.right)
    return _ordered(part)


def _equal(left: Value, right: Value) -> Condition:
    if isinstance(left, Literal) and not isinstance(right, Literal):
        left, right = right, left
    get = _value(left)
    if not isinstance(right, Literal):
        other = _value(right)
        return lambda event: equal(get(event), other(event))
    wanted = right.value
    if wanted is None or isinstance(wanted, bool):
        return lambda event: get(event) is wanted
    if isinstance(wanted, str):
        if isinstance(left, Path) and len(left.keys) == 1:
            (key,) = left.keys
            return lambda event: event.get(key) == wanted
        return lambda event: get(event) == wanted

    def same_number(event: Event) -> bool:
        found = get(event)
        return found == wanted and type(found) is not bool

    return same_number


def _ordered(part: Comparison) -> Condition:
    compare, left, right = ORDERS[part.operator], _value(part.left), _value(part.right)
    if isinstance(part.right, Literal):
        bound = part.right.value

        def beside_bound(event: Event) -> bool:
            found = left(event)
            return (type(found) is int or type(found) is float) and compare(found, bound)

        return beside_bound

    def ordered(event: Event) -> bool:
        one, other = left(event), right(event)
        numbers = (int, float)
        return type(one) in numbers and type(other) in numbers and compare(one, other)

    return ordered


def _member(left: Value, right: Value) -> Condition:
    get = _value(left)
    if isinstance(right, Listing):
        literals = [item.value for item in right.items if isinstance(item, Literal)]
        texts = frozenset(value for value in literals if isinstance(value, str))
        if len(texts) == len(right.items):

            def one_of(event: Event) -> bool:
                found = get(event)
                return type(found) is str and found in texts

            return one_of
    items = _value(right)

    def member(event: Event) -> bool:
        found, listed = get(event), items(event)
        return type(listed) is list and any(equal(found, item) for item in listed)

    return member
