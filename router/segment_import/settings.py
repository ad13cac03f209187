"""The settings of a destination at Segment, as its plugin has them. What cannot be taken is named, without its value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from router.editing.toml_values import written
from router.plugin_host.secret_fields import is_hidden

ALSO: Mapping[str, str] = {"endpoint": "base_url"}
"""What Segment's Actions destinations call a setting, where no plugin has it as an old name."""

HIDDEN = re.compile(r"[•*]{4,}")
"""What Segment shows of a secret: `••••••••1234`."""


class Converted(NamedTuple):
    """Settings for config.toml."""

    table: dict[str, Any]
    secrets: dict[str, str]  #: values by the key of the setting; the table has no value for these yet
    missing: list[str]  #: keys that need a value which the export does not have
    notes: list[str]


def convert_settings(model: type[BaseModel], given: Mapping[str, Any]) -> Converted:
    """The settings that a plugin takes.

    Args:
        model: of the plugin's settings.
        given: as the export has them.
    """
    spelled, found = _spellings(model), Converted({}, {}, [], [])
    for key, value in given.items():
        field = spelled.get(key) or spelled.get(_snake(key)) or spelled.get(ALSO.get(key, ""))
        if value in (None, "", [], {}):
            continue
        if field is None:
            found.notes.append(f"setting {key}: the plugin has no such setting")
        else:
            _take(found, model, field, value)
    _leave_out_faulty(model, found)
    required = [info.alias or name for name, info in model.model_fields.items() if info.is_required()]
    there = {*found.table, *found.secrets, *found.missing}
    found.missing.extend(key for key in required if key not in there)
    return found


def _take(found: Converted, model: type[BaseModel], field: str, value: Any) -> None:
    info = next(info for name, info in model.model_fields.items() if (info.alias or name) == field)
    if isinstance(value, str) and HIDDEN.search(value):
        found.missing.append(field)
    elif is_hidden(info):
        if isinstance(value, str):
            found.secrets[field] = value
        else:
            found.notes.append(f"setting {field}: it may hold secrets, and is no single text; write it yourself")
    else:
        try:
            written(value)
            found.table[field] = value
        except (ValueError, TypeError):
            found.notes.append(f"setting {field}: it cannot be written in TOML")


def _refused(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, str]:
    """What the plugin refuses of these settings: the words, by key. What is only missing is no fault."""
    try:
        model.model_validate(given)
    except ValidationError as error:
        faults = [fault for fault in error.errors(include_url=False, include_input=False) if fault["type"] != "missing"]
        return {str(fault["loc"][0]) if fault["loc"] else "": fault["msg"] for fault in faults}
    return {}


def _leave_out_faulty(model: type[BaseModel], found: Converted) -> None:
    """Take out what the plugin refuses. Of a fault of several settings together, the first whose absence ends it."""
    while faults := _refused(model, {**found.table, **found.secrets}):
        there = {**found.table, **found.secrets}
        key, words = next(iter(faults.items()))
        is_of_secrets = key not in found.table and found.secrets  # and a plugin's words may quote what it refuses
        said = "the plugin refuses it" if is_of_secrets else words.removeprefix("Value error, ")
        if key not in there:
            ends = (one for one in there if "" not in _refused(model, {k: v for k, v in there.items() if k != one}))
            key = next(ends, next(iter(there), ""))
        if key not in there:
            return
        found.notes.append(f"setting {key}: {said}")
        found.table.pop(key, None)
        found.secrets.pop(key, None)


def _spellings(model: type[BaseModel]) -> dict[str, str]:
    """The key of a setting by everything that it may be called."""
    found: dict[str, str] = {}
    for name, info in model.model_fields.items():
        found |= dict.fromkeys((name, info.alias or name), info.alias or name)
    old_names: Mapping[str, str] = getattr(model, "old_names", {})
    return {**{old: found[new] for old, new in old_names.items() if new in found}, **found}


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()
