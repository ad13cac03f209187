"""Options that several verbs share, each written once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

ENV = "SEGMENT_ROUTER_CONFIG"
DEFAULT = "config.toml"

ConfigFile = Annotated[Path, typer.Option("--config", envvar=ENV, metavar="FILE", help="The configuration.")]
"""Which config.toml: it says where the daemon listens and where the store is."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, in the shape of the admin API.")]

Source = Annotated[str | None, typer.Option("--source", metavar="NAME", help="The source, by its name in config.toml.")]

DestinationName = Annotated[str, typer.Argument(metavar="DESTINATION", help="Its name in config.toml.")]

User = Annotated[
    str | None,
    typer.Option("--user", metavar="USER", help="A userId; anonymous:ID or group:ID for the other kinds."),
]


def config_hint(config: Path) -> str:
    """What a line to paste needs so that it reads the same file: empty where that is what it reads anyway."""
    import shlex

    return "" if str(config) == os.environ.get(ENV, DEFAULT) else f" --config {shlex.quote(str(config))}"
