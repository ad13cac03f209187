"""The settings of a destination as people may see them: name, meaning, value, and where it comes from. Never a secret."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from pydantic import BaseModel, SecretStr

from router.config import DestinationConfig
from router.config.secrets import LookedUp
from router.plugin_host.destination import Destination
from router.vocabulary import MASK

IN_FILE = "config.toml"
DEFAULT = "default"


class ShownSetting(NamedTuple):
    """One setting."""

    name: str
    meaning: str
    value: str  #: JSON, or text without quotes; MASK for a secret; empty for an optional one that is not set
    origin: str  #: `env BRAZE_API_KEY`, `file secrets/key`, `config.toml` or `default`


def shown_settings(destination: Destination, table: DestinationConfig) -> list[ShownSetting]:
    """All settings that its plugin has, in the plugin's order. `table`: as it is in force."""
    return [_shown(name, field, destination, table) for name, field in type(destination.settings).model_fields.items()]


def setting_of(name: str, field: Any, destination: Destination, table: DestinationConfig) -> tuple[Any, str, bool]:
    """A setting in plain values, its origin as in ShownSetting, and whether it is MASK: a secret, or text that its plugin marked as
    not to be shown; None where one is not set."""
    given = next((table.settings[key] for key in spellings(destination, name, field) if key in table.settings), None)
    origin = given.place if isinstance(given, LookedUp) else DEFAULT if given is None else IN_FILE
    value = getattr(destination.settings, name)
    if isinstance(given, SecretStr) or isinstance(value, SecretStr):
        is_unset = given is None and isinstance(value, SecretStr) and not value.get_secret_value()
        is_unset |= isinstance(given, LookedUp) and given.is_missing
        return None if is_unset else MASK, origin, True
    if not field.repr and given not in (None, ""):
        return MASK, origin, True
    return _redacted(_plain(value), destination), origin, False


def spellings(destination: Destination, name: str, field: Any) -> list[str]:
    """How config.toml may spell a setting; its present name first."""
    key = field.alias or name
    old_names = type(destination.settings).old_names
    return list(dict.fromkeys((key, name, *(old for old, present in old_names.items() if present in (name, key)))))


def _shown(name: str, field: Any, destination: Destination, table: DestinationConfig) -> ShownSetting:
    value, origin, _ = setting_of(name, field, destination, table)
    return ShownSetting(field.alias or name, field.description or "", _text(value), origin)


def _redacted(value: Any, destination: Destination) -> Any:
    if isinstance(value, str):
        return destination.redact(value)
    if isinstance(value, dict):
        return {key: _redacted(inner, destination) for key, inner in value.items()}
    return [_redacted(inner, destination) for inner in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    """Text as it is, nothing as an empty text, anything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, BaseModel):
        hidden = {name for name, field in type(value).model_fields.items() if not field.repr}
        return {name: MASK if name in hidden and inner else _plain(inner) for name, inner in value}
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
