"""`config schema`: the JSON Schema of config.toml, for an editor."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router import durable
from router.cli.endpoint import Failed
from router.cli.lazy import lazy
from router.cli.options import ConfigFile
from router.cli.output import say, say_json, warn

if TYPE_CHECKING:
    from router import config as configuration
    from router.editing import catalogue
    from router.editing import config_schema as schemas
else:
    catalogue = lazy("router.editing.catalogue")
    configuration = lazy("router.config")
    schemas = lazy("router.editing.config_schema")

Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write it there; a file that is there is replaced.")
]


def config_schema(out: Out = None, config: ConfigFile = Path("config.toml")) -> None:
    """Print the JSON Schema of config.toml, for editors.

    With it an editor completes and checks keys. The settings of all plugins that are installed here, or in plugins_dir of config.toml,
    are in it. Write it again after an upgrade.

    Examples:
        config schema
        config schema --out config.schema.json
    """
    folder = configuration.examine(config, os.environ).plugins_dir if config.exists() else None
    offers = catalogue.offers(folder)
    warn(*(f"warning: {one.problem}; its settings are not checked" for one in offers if one.model is None))
    schema = schemas.config_schema(offers)
    if out is None:
        say_json(schema)
        return
    write_schema(out, schema)
    say(f"{out} is written; the first line of config.toml names it to an editor: #:schema ./{schemas.FILE}")


def write_schema(file: Path, schema: object) -> None:
    """Raises Failed."""
    try:
        like = file if file.exists() else file.absolute().parent
        content = json.dumps(schema, indent=1).encode() + b"\n"
        durable.put(file.resolve(), content, mode=0o644, owner=durable.owner_of(like))
    except OSError as error:
        raise Failed(f"{file} cannot be written: {error.strerror}") from None
