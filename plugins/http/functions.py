"""The functions of a template: `${properties.amount | number}`. Each takes any JSON value and never raises.

`text`, `number`, `date`, `bool` and `max_length` do what they do in `[destination.mapping]`. `hash` gives the hash that
`[destination.mapping]` gives, if both have the same key and the text is normalised in the same way.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from plugins.http.scope import MISSING
from router.plugin import JSON, as_instant, as_number, iso_instant

Change = Callable[[JSON], JSON]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Function(NamedTuple):
    """A function: an example of its use, what its arguments have to be, and what makes it of them."""

    example: str
    takes: tuple[type, ...]  #: of each argument
    make: Callable[..., Change]
    more: bool = False  #: takes any number of arguments of the last type
    keyed: bool = False  #: `make` takes the key of the settings first


def is_missing(value: JSON) -> bool:
    """Whether there is nothing: no value, null, blank text, an empty list or an empty table."""
    if isinstance(value, str):
        return not value.strip()
    return value is MISSING or value is None or (isinstance(value, list | Mapping) and not value)


def plain_text(value: JSON) -> JSON:
    """Text, a number or a boolean as text; MISSING for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    found = as_number(value)
    if found is None:
        return MISSING
    return str(int(found)) if found == int(found) and abs(found) < 2**63 else str(found)


def text(value: JSON) -> JSON:
    """As text; a list or a table as its JSON."""
    if not isinstance(value, list | Mapping):
        return plain_text(value)
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return MISSING


def _number(value: JSON) -> JSON:
    found = as_number(value)
    return MISSING if found is None else found


def _bool(value: JSON) -> JSON:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower(), MISSING)
    return bool(value) if isinstance(value, bool | int | float) else MISSING


def _date(value: JSON) -> JSON:
    at = as_instant(value) if isinstance(value, str | int | float) else None
    return MISSING if at is None else iso_instant(at)


def _epoch(unit: timedelta) -> Change:
    def change(value: JSON) -> JSON:
        at = as_instant(value) if isinstance(value, str | int | float) else None
        return MISSING if at is None else (at - _EPOCH) // unit

    return change


def _of_text(change: Callable[[str], str]) -> Callable[[], Change]:
    return lambda: lambda value: change(value) if isinstance(value, str) else value


def _containing(part: str) -> Change:
    return lambda value: value if isinstance(value, str) and part in value else MISSING


def _only(*names: str) -> Change:
    kept = frozenset(names)
    return lambda value: {k: v for k, v in value.items() if k in kept} if isinstance(value, Mapping) else MISSING


def _without(*names: str) -> Change:
    left = frozenset(names)
    return lambda value: {k: v for k, v in value.items() if k not in left} if isinstance(value, Mapping) else MISSING


def _hashed(digest: Callable[[bytes], str]) -> Change:
    """A list entry by entry."""

    def change(value: JSON) -> JSON:
        if isinstance(value, list):
            return [made for entry in value if (made := change(entry)) is not MISSING]
        found = plain_text(value)
        return MISSING if found is MISSING else digest(found.encode("utf-8", "surrogatepass"))

    return change


def _sha256() -> Change:
    return _hashed(lambda text: hashlib.sha256(text).hexdigest())


def _hmac(key: bytes) -> Change:
    return _hashed(lambda text: hmac.digest(key, text, hashlib.sha256).hex())


FUNCTIONS: Mapping[str, Function] = {
    "text": Function("text", (), lambda: text),
    "number": Function("number", (), lambda: _number),
    "date": Function("date", (), lambda: _date),
    "bool": Function("bool", (), lambda: _bool),
    "seconds": Function("seconds", (), lambda: _epoch(timedelta(seconds=1))),
    "milliseconds": Function("milliseconds", (), lambda: _epoch(timedelta(milliseconds=1))),
    "lower": Function("lower", (), _of_text(str.lower)),
    "upper": Function("upper", (), _of_text(str.upper)),
    "trim": Function("trim", (), _of_text(str.strip)),
    "max_length": Function("max_length(255)", (int,), lambda n: _of_text(lambda value: value[:n])()),
    "default": Function("default('none')", (object,), lambda other: lambda value: other),
    "containing": Function("containing('@')", (str,), _containing),
    "only": Function("only('plan', 'seats')", (str,), _only, more=True),
    "sha256": Function("sha256", (), _sha256),
    "hash": Function("hash", (), _hmac, keyed=True),
    "without": Function("without('password')", (str,), _without, more=True),
}
