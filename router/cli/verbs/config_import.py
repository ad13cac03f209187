"""`config import segment`: a config.toml made from a Segment workspace."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.endpoint import Failed, program
from router.cli.lazy import lazy
from router.cli.options import AsJson, ConfigFile
from router.cli.output import say, say_json, warn
from router.explain.figures import count

if TYPE_CHECKING:
    from router import config as configuration
    from router import segment_import
    from router.editing import catalogue
    from router.segment_import import Imported
else:
    catalogue = lazy("router.editing.catalogue")
    configuration = lazy("router.config")
    segment_import = lazy("router.segment_import")

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="Files of the export, or folders with them: .json, .tfstate, .tf"),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Write config.toml, plans and secrets into this folder.")
]
Inline = Annotated[
    bool, typer.Option("--write-keys", help="Write keys into config.toml itself; else each is in a file of its own.")
]


def config_import_segment(
    files: Files,
    out: Out = None,
    write_keys: Inline = False,
    config: ConfigFile = Path("config.toml"),
    as_json: AsJson = False,
) -> None:
    """Make a config.toml from a Segment workspace.

    It carries over sources, destinations, filters and tracking plans. It reads answers of Segment's Public API, `terraform show -json`,
    a state file, and HCL as Segment's Git sync writes it. What is not carried over is named with the reason. Every destination begins
    in dry-run. Without --out nothing is written: config.toml is printed, which names files of secrets by their place. Nothing over an
    existing file.

    Examples:
        config import segment workspace/ --out imported
        config import segment terraform-show.json --out imported
        config import segment workspace/
    """
    folder = configuration.examine(config, os.environ).plugins_dir if config.exists() else None
    offers = catalogue.offers(folder)
    try:
        workspace = segment_import.read_workspace(files)
        made = segment_import.convert(workspace, offers, lambda: secrets.token_urlsafe(24), inline=write_keys)
    except segment_import.BadExport as error:
        raise Failed(str(error)) from None
    except RecursionError:
        raise Failed(f"{files[0]}: nested too deeply to be an export of Segment") from None
    written = _written(made, out) if out else []
    if as_json:
        say_json(_described(made, written))
        return
    if not out:
        print(made.config, end="")
    for words in made.left:
        warn(f"not carried over: {words}")
    for words in made.notes:
        warn(f"to do: {words}")
    if out:
        say(f"{count(len(written), 'file')} written into {out}; {count(len(made.left), 'thing')} not carried over")
        say(f"next: {program()} check --config {out / 'config.toml'}")
    else:
        warn(
            f"nothing was written; --out FOLDER writes it with {count(len({**made.files, **made.secrets}), 'other file')}"
        )


def _written(made: Imported, folder: Path) -> list[Path]:
    """Raises Failed."""
    try:
        files: list[Path] = segment_import.write(made, folder)
    except segment_import.AlreadyThere as error:
        raise Failed(str(error)) from None
    except OSError as error:
        raise Failed(f"{folder} cannot be written: {error.strerror}; nothing was written") from None
    return files


def _described(made: Imported, written: list[Path]) -> dict[str, Any]:
    """Without the values of secrets."""
    return {
        "config": made.config,
        "files": sorted(made.files),
        "secrets": sorted(made.secrets),
        "written": [str(path) for path in written],
        "not_carried_over": list(made.left),
        "to_do": list(made.notes),
    }
