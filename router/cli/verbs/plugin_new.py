"""`plugin new`: begin a plugin in a package of its own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.endpoint import program
from router.cli.lazy import lazy
from router.cli.options import AsJson
from router.cli.output import say, say_json

if TYPE_CHECKING:
    from router import scaffold
else:
    scaffold = lazy("router.scaffold")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name in config.toml: small letters, digits, hyphens.")]
Out = Annotated[
    str | None, typer.Option("--out", metavar="FOLDER", help="Where to, in place of segment-router-NAME here.")
]


def plugin_new(name: Name, out: Out = None, as_json: AsJson = False) -> None:
    """Write a package for a new plugin, with tests and a CI file.

    Its tests pass as it is written. Replace the URLs and the bodies by those of the API. Nothing is installed, and a folder with
    anything in it is refused.

    Examples:
        plugin new acme-crm
        plugin new acme-crm --out ~/code/acme-crm
    """
    try:
        package = scaffold.NewPackage.of(name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from None
    if out is not None and not out.strip():
        raise typer.BadParameter("names no folder; write . for this one", param_hint="--out")
    folder = Path(out if out is not None else package.distribution)
    files = scaffold.write_package(package, folder)
    if as_json:
        say_json({"name": name, "folder": str(folder), "files": [str(file) for file in files]})
        return
    say(f"{folder} is written:", *(f"    {file}" for file in files))
    say("", "Next, in an environment that has segment-router with its extra `testing`:")
    say(f"    cd {shlex.quote(str(folder))} && pip install -e . && pytest", f"    {program()} plugin check {name}")
