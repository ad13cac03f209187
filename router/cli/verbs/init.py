"""`init`: write the shipped config.toml, where the program was installed without a checkout."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from router.cli.endpoint import Failed, program
from router.cli.options import config_hint
from router.cli.output import say

Target = Annotated[Path, typer.Argument(metavar="FILE", help="Where to; it must not exist. - is standard output.")]


def init(file: Target = Path("config.toml")) -> None:
    """Write a config.toml to begin with: every key with its meaning, three destinations in dry-run.

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
    say(f"{file} is written; start the daemon with: {program()} serve{config_hint(file)}")
