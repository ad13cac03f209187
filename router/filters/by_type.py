"""What an expression says of a call type, whatever else the event holds."""

from __future__ import annotations

from router.filters.compiler import compile_boolean
from router.filters.syntax import (
    Boolean,
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


def holds_for_type(expression: Boolean, type: str) -> bool | None:
    """Whether it holds for every event of this type (True), for none (False), or depends on more (None)."""
    match expression:
        case Everything():
            return True
        case Not(inner):
            found = holds_for_type(inner, type)
            return None if found is None else not found
        case Every(terms):
            return _joined([holds_for_type(term, type) for term in terms], decisive=False)
        case Some(terms):
            return _joined([holds_for_type(term, type) for term in terms], decisive=True)
        case Truth(value):
            return compile_boolean(expression)({"type": type}) if _asks_type_only(value) else None
        case Comparison(left, _, right):
            is_clear = _asks_type_only(left) and _asks_type_only(right)
            return compile_boolean(expression)({"type": type}) if is_clear else None


def _joined(found: list[bool | None], *, decisive: bool) -> bool | None:
    """One decisive term settles it; else all must be known."""
    if decisive in found:
        return decisive
    return None if None in found else not decisive


def _asks_type_only(value: Value) -> bool:
    """Whether a value depends on nothing but the event's type."""
    match value:
        case Literal():
            return True
        case Path(keys):
            return keys == ("type",)
        case Listing(items):
            return all(map(_asks_type_only, items))
    return all(map(_asks_type_only, value.arguments))
