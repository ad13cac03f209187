"""Which value is put into which column of its table: its own, a second one for values of another type, or `overflow`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plugins.postgres.names import second
from plugins.postgres.rows import OVERFLOW, spare
from plugins.postgres.values import SHORT, UNFIT, fitted, type_of, wider
from router.plugin import JSON

Filled = dict[str, JSON]
"""Values of a row by column."""


def lacking(rows: Iterable[Mapping[str, JSON]], known: Mapping[str, str], room: int) -> tuple[dict[str, str], bool]:
    """The columns, with their types, that a table needs for these rows; and whether it has no room for some.

    Args:
        known: the types of the columns that it has.
        room: how many columns it can get.
    """
    wanted: dict[str, str] = {}
    full = False
    rows = list(rows)
    for names in (_first, _second):  # second columns depend on what the first ones have become
        for row in rows:
            for column, value in row.items():
                name = names(column, value, known, wanted)
                if name is None or name in known:
                    continue
                if name in wanted:
                    wanted[name] = wider(wanted[name], type_of(value))
                elif len(wanted) < room:
                    wanted[name] = type_of(value)
                else:
                    full = True
    return wanted, full


def _first(column: str, value: JSON, known: Mapping[str, str], wanted: Mapping[str, str]) -> str | None:
    return column


def _second(column: str, value: JSON, known: Mapping[str, str], wanted: Mapping[str, str]) -> str | None:
    type = known.get(column) or wanted.get(column)
    return second(column, SHORT[type_of(value)]) if type is not None and fitted(value, type) is UNFIT else None


def placed(row: Mapping[str, JSON], known: Mapping[str, str]) -> Filled:
    """The row with each value where it fits."""
    filled: Filled = {}
    overflow: dict[str, JSON] = dict(row.get(OVERFLOW) or {})
    for column, value in row.items():
        if column == OVERFLOW:
            continue
        for name in (column, second(column, SHORT[type_of(value)])):
            if name in known and name not in filled and fitted(value, known[name]) is not UNFIT:
                filled[name] = value
                break
        else:
            overflow[spare(overflow, column)] = value
    if overflow and OVERFLOW in known:
        filled[OVERFLOW] = overflow
    return filled


def families(known: Iterable[str]) -> dict[str, list[str]]:
    """For each of these columns, itself and those that hold the same field with values of other types."""
    known = set(known)
    found = {column: [column] for column in known}
    for column in known:
        others = [name for type in SHORT.values() if (name := second(column, type)) in known]
        if others:
            found |= dict.fromkeys([column, *others], sorted([column, *others]))
    return found
