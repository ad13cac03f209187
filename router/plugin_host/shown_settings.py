"""The settings of a destination as people may see them: name, meaning, value, and where it comes from. Never a secret."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from pydantic import BaseModel, SecretStr

from router.config import DestinationConfig
from router.config.secrets import LookedUp
from router.plugin_host.factory import Destination

MASKED = "***"
IN_FILE = "config.toml"
DEFAULT = "default"


class ShownSetting(NamedTuple):
    """One setting."""

    name: str
    meaning: str
    value: str  #: JSON, or text without quotes; MASKED for a secret; empty for an optional one that is not set
    origin: str  #: `env BRAZE_API_KEY`, `file secrets/key`, `config.toml` or `default`


def shown_settings(destination: Destination, table: DestinationConfig) -> list[ShownSetting]:
    """All settings that its plugin has, in the plugin's order. `table`: as it is in force."""
    return [_shown(name, field, destination, table) for name, field in type(destination.settings).model_fields.items()]


def _shown(name: str, field: Any, destination: Destination, table: DestinationConfig) -> ShownSetting:
    given = table.settings.get(field.alias or name, table.settings.get(name))
    key = field.alias or name
    origin = given.place if isinstance(given, LookedUp) else DEFAULT if given is None else IN_FILE
    value = getattr(destination.settings, name)
    if isinstance(given, SecretStr) or isinstance(value, SecretStr):
        is_unset = given is None and isinstance(value, SecretStr) and not value.get_secret_value()
        return ShownSetting(key, field.description or "", "" if is_unset else MASKED, origin)
    return ShownSetting(key, field.description or "", destination.redact(_text(value)), origin)


def _text(value: Any) -> str:
    """Text as it is, nothing as an empty text, anything else as JSON, secrets masked."""
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(_plain(value)).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return MASKED
    if isinstance(value, BaseModel):
        return {name: _plain(inner) for name, inner in value}
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
