"""`version`: which segment-router this is, and on what it runs."""

from __future__ import annotations

import platform
import sqlite3

from router import __version__
from router.cli.options import AsJson
from router.cli.output import say, say_json


def version(as_json: AsJson = False) -> None:
    """Show the version.

    Examples:
        version
        version --json
    """
    on = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    if as_json:
        say_json({"version": __version__, **on})
    else:
        say(f"segment-router {__version__} (Python {on['python']}, SQLite {on['sqlite']})")
