"""What the `plugin` verbs share: where plugins are looked for, and options of theirs."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.lazy import lazy
from router.cli.output import warn
from router.errors import ConfigError

if TYPE_CHECKING:
    from router import config as configuration
else:
    configuration = lazy("router.config")

PluginName = Annotated[str, typer.Argument(metavar="NAME", help="The plugin, as `plugin` of a destination names it.")]

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--settings",
        metavar="KEY=VALUE",
        help="A setting of the plugin, in TOML or as plain text; once for each. A required secret needs none.",
    ),
]

Vendor = Annotated[
    str,
    typer.Option(
        "--vendor",
        metavar="FILE:NAME",
        help="What the vendor answers, as conformance(vendor=...) has it: a Python file or module, and a name in it.",
    ),
]


def plugins_dir(context: typer.Context, config: Path) -> Path | None:
    """The folder of single-file plugins; None where there is no config.toml, or it names none.

    What keeps the folder from being known is a warning. Raises ConfigError if the caller named the file.
    """
    source = context.get_parameter_source("config")
    is_named = source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")
    if not is_named and not config.exists():
        return None
    draft = configuration.examine(config, os.environ)
    own = ("plugins_dir:", f"{draft.path}:")
    problems = [problem for problem in draft.problems if problem.startswith(own)]
    if problems and is_named:
        raise ConfigError(problems)
    warn(*(f"warning: {problem}" for problem in problems))
    return draft.plugins_dir


def settings_of(given: list[str] | None) -> dict[str, Any]:
    """What `--settings` said. A value that is no TOML is text. Raises BadParameter."""
    settings: dict[str, Any] = {}
    for words in given or []:
        key, equals, value = words.partition("=")
        if not equals or not key.strip():
            raise typer.BadParameter(f"{words!r} is not KEY=VALUE", param_hint="--settings")
        settings[key.strip()] = _value(value.strip())
    return settings


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
