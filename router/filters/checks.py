"""What could be read and is refused all the same, since it could never mean what its author wants; and what deserves a warning."""

from __future__ import annotations

from collections.abc import Iterator

from router.filters.functions import FUNCTIONS, SEMVER_OPERATORS
from router.filters.glob import compile_glob
from router.filters.refusal import FilterError
from router.filters.syntax import Boolean, Call, Comparison, Every, Listing, Literal, Not, Path, Some, Truth, Value
from router.filters.values import type_of

COMMON = frozenset({
    "_metadata", "anonymousId", "category", "channel", "context", "event", "groupId", "integrations", "messageId", "name",
    "originalTimestamp", "previousId", "projectId", "properties", "receivedAt", "sentAt", "timestamp", "traits", "type",
    "userId", "version", "writeKey",
})  # fmt: skip
"""Segment's common fields: what an event can have at its top."""

ORDERED = ("<", "<=", ">", ">=")


def check(expression: Boolean, text: str) -> None:
    """Refuse what cannot be meant. Raises FilterError."""
    for part in _parts(expression):
        if isinstance(part, Comparison):
            _check_comparison(part, text)
            values = [part.left, part.right]
        else:
            values = [part.value]
        for value in values:
            _check_calls(value, text)
        if isinstance(part, Truth):
            _check_truth(part.value, text)


def advice(expression: Boolean) -> list[str]:
    """Warnings of a good expression."""
    found = []
    for part in _parts(expression):
        if isinstance(part, Truth) and isinstance(part.value, Path) and part.value.keys == ("all",):
            found.append("all is the name of a field here; it means every event only where it stands alone")
        if isinstance(part, Comparison) and part.operator in ("=", "!=") and isinstance(part.right, Path):
            keys = part.right.keys
            if len(keys) == 1 and keys[0] not in COMMON:
                found.append(
                    f"{keys[0]} is the name of a field here, and events have none of that name; is this text? then write '{keys[0]}'"
                )
    return found


def _parts(expression: Boolean) -> Iterator[Truth | Comparison]:
    """The conditions that an expression consists of."""
    match expression:
        case Truth() | Comparison():
            yield expression
        case Not(inner):
            yield from _parts(inner)
        case Every(terms) | Some(terms):
            for term in terms:
                yield from _parts(term)


def _type(value: Value) -> str:
    """The type of a value where it is known; else ""."""
    match value:
        case Literal():
            return type_of(value.value)
        case Listing():
            return "list"
        case Call():
            return FUNCTIONS[value.name].gives if value.name in FUNCTIONS else ""
    return ""


def _check_comparison(part: Comparison, text: str) -> None:
    if part.operator in ORDERED:
        for side in (part.left, part.right):
            if _type(side) not in ("", "number"):
                words = f"{part.operator} compares two numbers, and this is never one; write a number, or compare by ="
                raise FilterError("type", words, text, side.at)
    if part.operator == "in" and _type(part.right) not in ("", "list"):
        words = "in looks into a list; write [ ... ] around it, or compare by ="
        raise FilterError("type", words, text, part.right.at)


def _check_calls(value: Value, text: str) -> None:
    if not isinstance(value, Call):
        return
    function = FUNCTIONS.get(value.name)
    if function is None:
        words = f"FQL has no function {value.name}; it has {', '.join(FUNCTIONS)}"
        raise FilterError("unknown_function", words, text, value.at)
    if len(value.arguments) != function.arguments:
        words = f"{value.name} takes {function.arguments}, not {len(value.arguments)}; {_example(value.name)}"
        raise FilterError("arguments", words, text, value.at)
    for argument in value.arguments:
        _check_calls(argument, text)
    if value.name in ("contains", "match"):
        _check_texts(value, text)
    if value.name == "semver":
        _check_semver(value, text)


def _check_texts(call: Call, text: str) -> None:
    for argument in call.arguments:
        if _type(argument) not in ("", "string"):
            words = f"{call.name} looks at text, and this is never text; {_example(call.name)}"
            raise FilterError("type", words, text, argument.at)
    pattern = call.arguments[1]
    if call.name == "match" and isinstance(pattern, Literal) and isinstance(pattern.value, str):
        try:
            compile_glob(pattern.value)
        except ValueError as error:
            raise FilterError("pattern", f"not a pattern: {error}", text, pattern.at) from None


def _check_semver(call: Call, text: str) -> None:
    operator = call.arguments[1]
    if isinstance(operator, Literal) and operator.value not in SEMVER_OPERATORS:
        words = f"semver compares by {', '.join(SEMVER_OPERATORS)}; write one of them between quotes"
        raise FilterError("arguments", words, text, operator.at)


def _check_truth(value: Value, text: str) -> None:
    if _type(value) not in ("", "bool"):
        raise FilterError("never_true", "this by itself is never true; compare it with something", text, value.at)


def _example(name: str) -> str:
    examples = {
        "contains": "contains( event, 'x' )",
        "match": "match( event, 'x*' )",
        "semver": "semver( context.app.version, '>=', '2.9' )",
    }
    return f"write e.g. {examples.get(name, f'{name}( traits.name )')}"
