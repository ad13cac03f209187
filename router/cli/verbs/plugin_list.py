"""`plugin list`: the plugins that a destination can name, and why one cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from router.cli.lazy import lazy
from router.cli.options import AsJson, ConfigFile
from router.cli.output import say, say_json, say_table, warn
from router.cli.plugin_settings import plugins_dir

if TYPE_CHECKING:
    from router import plugin_host
    from router.plugin_host import Installed
else:
    plugin_host = lazy("router.plugin_host")


def plugin_list(context: typer.Context, config: ConfigFile = Path("config.toml"), as_json: AsJson = False) -> None:
    """List the plugins.

    Those are installed packages, and the files of plugins_dir of config.toml if there is one. Each is imported, so the list says
    whether it can be used, and if not, why; "needs NAME": it is good, but imports a package that is not installed. API is the version of the contract that it was written for.

    Examples:
        plugin list
        plugin list --json
    """
    found = plugin_host.installed(plugins_dir(context, config), _waits)
    if as_json:
        say_json({"plugins": [{**one._asdict(), "loads": one.loads} for one in found]})
        return
    say_table(
        ["plugin", "version", "API", "state", "from"],
        [[one.name, one.version, one.api_version, _state(one), one.origin] for one in found],
        wrap=["from"],
    )
    for one in found:
        if not one.loads:
            why = f"needs {one.needs}, which is not installed" if one.needs else "cannot be used"
            say("", f"{one.name} {why}:", *(f"    {line}" for line in one.problem.splitlines()))


def _state(one: Installed) -> str:
    if one.needs:
        return f"needs {one.needs}"
    return "good" if one.loads else "faulty"


def _waits(name: str, origin: str) -> None:
    warn(f"still importing {name} ({origin}): one that hangs is ended after 3 minutes")
