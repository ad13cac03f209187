"""Values as config.toml would have them: the other way round from `router/config/units.py`. In plain values, for JSON and TOML."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo

from router.config.consent_need import parse_need
from router.config.units import (
    Listen,
    Rate,
    parse_duration,
    parse_listen,
    parse_optional_duration,
    parse_rate,
    parse_size,
)
from router.consent import Need

UNITS: Mapping[Callable[..., Any], str] = {
    parse_duration: "duration",
    parse_optional_duration: "duration or empty",
    parse_size: "size",
    parse_rate: "rate",
    parse_listen: "host:port",
    parse_need: "list of text or table",
}
"""What the text of a key is, by what reads it."""

_DURATIONS = (("d", 86_400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001))
_SIZES = (("GB", 10.0**9), ("MB", 10.0**6), ("KB", 1000.0), ("B", 1.0))
_PER = {1.0: "s", 60.0: "m", 3600.0: "h"}


def unit_of(field: FieldInfo) -> str:
    """What the text of a key is: one of UNITS; "" for other types."""
    readers = (item.func for item in field.metadata if isinstance(item, BeforeValidator))
    return next((UNITS[reader] for reader in readers if reader in UNITS), "")


def default_of(field: FieldInfo) -> Any:
    """The default of a key; None where it has none."""
    return None if field.is_required() else as_written(field.get_default(call_default_factory=False), unit_of(field))


def as_written(value: Any, unit: str = "") -> Any:
    """A value as config.toml would have it. None: it would leave the key out."""
    if unit.startswith("duration"):
        return "" if not value and unit != "duration" else _amount(value, _DURATIONS, "s")
    if unit == "size":
        return _amount(value, _SIZES, "B")
    if unit == "rate":
        return f"{value.count}/{_PER[value.per_s]}" if isinstance(value, Rate) else ""
    if isinstance(value, Need):
        return {"any": list(value.ids)} if value.is_any else list(value.ids)
    if isinstance(value, BaseModel):
        return {key: as_written(inner) for key, inner in value.model_dump(by_alias=True, exclude_defaults=True).items()}
    if isinstance(value, Mapping):
        return {str(key): as_written(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_written(inner) for inner in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    return str(value) if isinstance(value, Path | Listen) else value


def _amount(value: float, units: Iterable[tuple[str, float]], least: str) -> str:
    """The shortest text with a whole number: "72h", not "3d", as the shipped file has it up to four days."""
    for unit, size in units:
        count = round(value / size, 3)
        if count >= 1 and count == round(count) and (unit != "d" or count > 4):
            return f"{count:.0f}{unit}"
    return f"{value:g}{least}"
