"""A plugin that no destination of config.toml needs to name, as a dry run would have it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from router.config import Config, DestinationConfig
from router.errors import ConfigError, PluginError
from router.plugin_host import Destination, build, check_class, find, with_stand_ins


def alone(plugin: str, settings: Mapping[str, Any], plugins_dir: Path | None, state_dir: Path) -> Destination:
    """Load it anew and make a destination with these settings. A required secret that is not among them has a stand-in.

    Raises:
        PluginError: the plugin cannot be used; each reason in a line of its own.
        ConfigError: its settings are faulty, each with its path, such as `settings.api_key`.
    """
    found = find(plugin, plugins_dir).load()
    try:
        check_class(found)
    except PluginError as error:
        raise PluginError("\n".join(f'plugin "{plugin}": {fault}' for fault in str(error).splitlines())) from None
    name = re.sub(r"[^a-z0-9_-]", "-", plugin.lower())[:64]
    given = with_stand_ins(found.settings_model, settings)
    table = DestinationConfig(name=name, plugin=plugin, mode="dry-run", settings=given)
    config = Config(path=state_dir, state_dir=state_dir, plugins_dir=plugins_dir, destinations=(table,))
    try:
        [destination] = build(config)
    except ConfigError as error:
        place = f"destination[0] ({name})."
        problems = [problem.removeprefix(place).removeprefix("plugin: ") for problem in error.problems]
        raise ConfigError(problems) from None
    return destination
