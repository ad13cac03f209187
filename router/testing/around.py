"""A destination around a plugin class, as a table of config.toml would make it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from router.config import DestinationConfig
from router.plugin import JSON
from router.plugin_host import Destination, build_around

__all__ = ["make_destination"]


def make_destination(
    plugin: type[Any],
    settings: Mapping[str, JSON] | None = None,
    *,
    state_dir: Path = Path(),
    follow_consent: bool = False,
    **table: Any,
) -> Destination:
    """The destination `[[destination]]` would make of a plugin class.

    Args:
        settings: of `[destination.settings]`; secrets as plain text.
        follow_consent: `[consent] follow` is on.
        table: other keys of the table: `name`, `mode`, `delivery={"rate": "1/m"}`, `mapping={...}`.

    Raises:
        ConfigError: with every problem of the class, its settings and the table.
        pydantic.ValidationError: of the table.
    """
    name = plugin.__name__.lower()
    whole = {"name": name, "plugin": name, "mode": "live", **table, "settings": dict(settings or {})}
    return build_around(plugin, DestinationConfig.model_validate(whole), state_dir=state_dir, follow=follow_consent)
