"""Former names of a plugin's settings. They still work, with a warning. One may have moved to `[destination.delivery]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.config import ConfigWarning, DestinationConfig
from router.errors import ConfigError
from router.plugin import Settings

TIMEOUT = "delivery.timeout"
"""The one key of another table that settings may have an old name for."""


def warnings_of(table: DestinationConfig, model: type[Settings]) -> list[ConfigWarning]:
    """One for each old name that the settings of this table use."""
    used = [old for old in model.old_names if old in table.settings]
    return [
        ConfigWarning(table.name, f"settings.{old}", f"an old name; write {_place(model.old_names[old])}")
        for old in used
    ]


def _place(present: str) -> str:
    table, dot, key = present.rpartition(".")
    return f"{key} in [destination.{table}]" if dot else f'"{key}"'


def moved(where: str, table: DestinationConfig, settings: Settings) -> DestinationConfig:
    """The table with what its plugin's settings say about delivery.

    Raises:
        ConfigError: both places say it.
    """
    old = _moved_value(settings)
    if old is None:
        return table
    name, seconds = old
    if "timeout_s" in table.delivery.model_fields_set:
        words = f"{TIMEOUT} and settings.{name} are one setting; keep {TIMEOUT} only"
        raise ConfigError([f"{where}.{TIMEOUT}: {words}"])
    return table.model_copy(update={"delivery": table.delivery.model_copy(update={"timeout_s": seconds})})


def _moved_value(settings: Settings) -> tuple[str, float] | None:
    names: Mapping[str, str] = type(settings).old_names
    given: list[tuple[str, Any]] = [(old, getattr(settings, old)) for old, new in names.items() if new == TIMEOUT]
    return next(((old, float(value)) for old, value in given if value is not None), None)
