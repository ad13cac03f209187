"""The command line: one verb per thing an operator does. Here: the list of verbs, and what an error becomes.

    segment-router VERB ... -> ask or change the running daemon (client), or read its store while it is down (answers)

The daemon, aiohttp and the store are imported inside the verbs that need them, so that --help stays quick.
"""

from __future__ import annotations

import io
import sqlite3
import sys
from collections.abc import Sequence

import typer

from router import __version__
from router.cli import change, destinations, letters, read, send, start
from router.cli.show import warn
from router.errors import ConfigError, PluginError, RouterError

__all__ = ["app", "main"]

BAD_CONFIG = 78
"""EX_CONFIG of sysexits.h; systemd's RestartPreventExitStatus names it."""

app = typer.Typer(
    name="segment-router",
    help="Routes Segment events to customer-success tools; holds them on disk until the group is known.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for verb in (
    start.serve, start.demo, start.check, send.send,
    read.status, read.why, read.ledger, read.held, read.discards,
    letters.dead, letters.replay,
    change.release, change.pause, change.resume, change.reload,
):  # fmt: skip
    app.command()(verb)
app.add_typer(destinations.app)
app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    start.bench
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"segment-router {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    pass


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code: 0 ok, 1 failure, 2 usage, 78 bad configuration.

    Args:
        argv: the words after the program's name; those of this process unless told.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may know fewer letters than an id has
            stream.reconfigure(errors="backslashreplace")
    try:
        app(None if argv is None else list(argv), prog_name="segment-router")
    except SystemExit as end:  # how typer ends, also when all went well
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except ConfigError as error:
        warn(*error.problems)
        return BAD_CONFIG
    except PluginError as error:
        warn(*str(error).splitlines())
        return BAD_CONFIG
    except RouterError as error:
        warn(*str(error).splitlines())
    except sqlite3.Error as error:
        warn(f"the store cannot be read: {error}")
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has left, e.g. `| head`
        sys.stdout = sys.stderr
    return 1
