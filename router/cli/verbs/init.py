"""`init`: write the shipped config.toml, where the program was installed without a checkout, and its schema for editors."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.endpoint import Failed, start_line
from router.cli.lazy import lazy
from router.cli.output import say
from router.cli.verbs.config_schema import write_schema

if TYPE_CHECKING:
    from router.editing import catalogue
    from router.editing import config_schema as schemas
else:
    catalogue = lazy("router.editing.catalogue")
    schemas = lazy("router.editing.config_schema")

Target = Annotated[Path, typer.Argument(metavar="FILE", help="Where to; it must not exist. - is standard output.")]


def init(file: Target = Path("config.toml")) -> None:
    """Write a config.toml to begin with.

    It has every key with its meaning, and three destinations in dry-run. Beside it goes config.schema.json, for completion and checks
    in an editor, unless there is one.

    Examples:
        init
        init /etc/segment-router/config.toml
    """
    text = resources.files("router.config").joinpath("shipped.toml").read_text(encoding="utf-8")
    if str(file) == "-":
        sys.stdout.write(text)
        return
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError:
        raise Failed(f"{file} is there already; it is left as it is") from None
    except OSError as error:
        raise Failed(f"{file} cannot be written: {error.strerror}") from None
    schema = file.absolute().parent / schemas.FILE
    if not schema.exists():
        write_schema(schema, schemas.config_schema(catalogue.offers(None)))
    say(f"{file} is written; start the daemon with: {start_line(file)}")
