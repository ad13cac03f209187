"""Filters in FQL, Segment's language of conditions on events. Knows nothing of destinations, and imports nothing of the router.

    wanted = compile_condition("type = 'track' and properties.total > 100")
    wanted({"type": "track", "properties": {"total": 150}})   # True

syntax.py       what an expression consists of
grammar.py      from text to syntax, by lark
checks.py       what could be read and can never mean anything
refusal.py      the error, with its place in the text
compiler.py     from syntax to closures
functions.py    the functions of FQL
glob.py         the patterns of `match`
values.py       equality, types and compact JSON of an event's values
by_type.py      what an expression says of a whole call type
sampling.py     which events a share keeps
fields.py       taking properties out of an event
"""

from collections.abc import Callable, Mapping
from typing import Any

from router.filters import by_type
from router.filters.checks import advice, check
from router.filters.compiler import Condition, compile_boolean, compile_path
from router.filters.refusal import FilterError
from router.filters.syntax import Boolean, Path, Truth


def compile_condition(text: str) -> Condition:
    """An expression as a function of an event (the whole call, as decoded JSON) that gives True or False and never raises.

    Raises:
        FilterError: the expression is refused, with the place and the remedy.
    """
    expression = _parse(text)
    check(expression, text)
    return compile_boolean(expression)


def compile_value(text: str) -> Callable[[Mapping[str, Any]], Any]:
    """A path as a function that gives the value of an event there. Raises FilterError for anything but a path."""
    found = _parse(text)
    if not isinstance(found, Truth) or not isinstance(found.value, Path):
        raise FilterError("syntax", "not the path of one field; write e.g. userId or properties.plan", text)
    return compile_path(found.value.keys)


def advice_on(text: str) -> list[str]:
    """What a good expression probably does not mean."""
    return advice(_parse(text))


def holds_for_type(text: str, type: str) -> bool | None:
    """Whether a good expression holds for every event of a call type (True), for none (False), or depends on more (None)."""
    return by_type.holds_for_type(_parse(text), type)


def _parse(text: str) -> Boolean:
    from router.filters.grammar import parse  # lark takes 60 ms to import, and most configurations have no filter

    return parse(text)


__all__ = ["Condition", "FilterError", "advice_on", "compile_condition", "compile_value", "holds_for_type"]
