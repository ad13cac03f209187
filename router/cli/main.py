"""The list of verbs, and the exit code that an error becomes."""

from __future__ import annotations

import io
import os
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import typer
from typer.main import get_command

from router import __version__
from router.cli import letters
from router.cli.client import NobodyThere, Refused
from router.cli.endpoint import program
from router.cli.help import Verb, Verbs
from router.cli.lazy import lazy
from router.cli.output import say_json, warn
from router.cli.verbs.backup import backup
from router.cli.verbs.bench import bench
from router.cli.verbs.check import check
from router.cli.verbs.cluster import cluster
from router.cli.verbs.completion import VARIABLE, completion
from router.cli.verbs.config_diff import config_diff
from router.cli.verbs.config_import import config_import_segment
from router.cli.verbs.config_schema import config_schema
from router.cli.verbs.config_show import config_show
from router.cli.verbs.dead import dead
from router.cli.verbs.demo import demo
from router.cli.verbs.destinations import destinations
from router.cli.verbs.destinations_drop import destinations_drop
from router.cli.verbs.destinations_show import NameOrVerb, destinations_show
from router.cli.verbs.destinations_test import destinations_test
from router.cli.verbs.discards import discards
from router.cli.verbs.doctor import doctor
from router.cli.verbs.errors import errors
from router.cli.verbs.events import events
from router.cli.verbs.forget import forget
from router.cli.verbs.forget_group import forget_group
from router.cli.verbs.forgotten import forgotten
from router.cli.verbs.held import held
from router.cli.verbs.init import init
from router.cli.verbs.ledger import ledger
from router.cli.verbs.pause import pause
from router.cli.verbs.plan_check import plan_check
from router.cli.verbs.plan_draft import plan_draft
from router.cli.verbs.plan_test import plan_test
from router.cli.verbs.plugin_check import plugin_check
from router.cli.verbs.plugin_list import plugin_list
from router.cli.verbs.plugin_new import plugin_new
from router.cli.verbs.plugin_try import plugin_try
from router.cli.verbs.privacy_scan import about_personal_data, privacy_scan
from router.cli.verbs.release import release
from router.cli.verbs.reload import reload
from router.cli.verbs.replay import replay
from router.cli.verbs.report import report
from router.cli.verbs.restore import restore
from router.cli.verbs.resume import resume
from router.cli.verbs.send import send
from router.cli.verbs.serve import serve
from router.cli.verbs.sources import sources
from router.cli.verbs.status import status
from router.cli.verbs.store_copy import store_copy
from router.cli.verbs.suppress import suppress, unsuppress
from router.cli.verbs.try_ import try_
from router.cli.verbs.version import version
from router.cli.verbs.violations import violations
from router.cli.verbs.why import why
from router.errors import ConfigError, PluginError, RouterError

shells = lazy("typer.completion")

BAD_CONFIG = 78
"""EX_CONFIG of sysexits.h; systemd's RestartPreventExitStatus names it."""

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    cls=Verbs,
    name="segment-router",
    help="""Routes Segment events to customer-success tools, and holds them on disk until the group is known.

    Exit codes: 0 ok, 1 failure, 2 wrong usage, 78 bad configuration. `COMMAND --help` has examples.

    Examples:
        serve
        send track --user u1 --event Hello
        why --user u1
        status --watch
    """,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings=HELP_OPTIONS,
)

VERBS: Mapping[str, Sequence[Callable[..., None]]] = {
    "Start": (serve, demo, init, check, send, try_),
    "See": (status, doctor, events, why, held, dead, errors, discards, violations, ledger, sources, cluster, report),
    "Change": (release, replay, pause, resume, reload),
    "People": (forget, forget_group, suppress, unsuppress, forgotten),
    "Keep": (backup, restore),
    "More": (version, completion),
}
for heading, verbs in VERBS.items():
    for verb in verbs:
        name = verb.__name__.rstrip("_").replace("_", "-")  # `try` is a word of Python's own
        app.command(name, cls=Verb, rich_help_panel=heading)(verb)

about_destinations = typer.Typer(
    cls=NameOrVerb, name="destinations", context_settings=HELP_OPTIONS, rich_markup_mode=None
)
about_destinations.callback(invoke_without_command=True)(destinations)
about_destinations.command("show", cls=Verb)(destinations_show)
about_destinations.command("test", cls=Verb)(destinations_test)
about_destinations.command("drop", cls=Verb)(destinations_drop)
app.add_typer(about_destinations, rich_help_panel="See")

about_privacy = typer.Typer(
    cls=Verbs,
    name="privacy",
    no_args_is_help=True,
    context_settings=HELP_OPTIONS,
    rich_markup_mode=None,
)
about_privacy.callback()(about_personal_data)
about_privacy.command("scan", cls=Verb)(privacy_scan)
app.add_typer(about_privacy, rich_help_panel="See")

about_plans = typer.Typer(
    cls=Verbs,
    name="plan",
    help="""Check, try out or draft a tracking plan.

    Examples:
        plan check plans/acme.json
    """,
    no_args_is_help=True,
    context_settings=HELP_OPTIONS,
    rich_markup_mode=None,
)
about_plans.command("check", cls=Verb)(plan_check)
about_plans.command("test", cls=Verb)(plan_test)
about_plans.command("draft", cls=Verb)(plan_draft)
app.add_typer(about_plans, rich_help_panel="See")

about_plugins = typer.Typer(
    cls=Verbs,
    name="plugin",
    help="""List plugins, check one, try one out, or begin one.

    Examples:
        plugin list
        plugin new acme-crm
    """,
    no_args_is_help=True,
    context_settings=HELP_OPTIONS,
    rich_markup_mode=None,
)
about_plugins.command("new", cls=Verb)(plugin_new)
about_plugins.command("list", cls=Verb)(plugin_list)
about_plugins.command("check", cls=Verb)(plugin_check)
about_plugins.command("try", cls=Verb)(plugin_try)
app.add_typer(about_plugins, rich_help_panel="See")

about_config = typer.Typer(
    cls=Verbs,
    name="config",
    help="""Show, compare or import the configuration.

    Examples:
        config show
        config diff
    """,
    no_args_is_help=True,
    context_settings=HELP_OPTIONS,
    rich_markup_mode=None,
)
about_config.command("show", cls=Verb)(config_show)
about_config.command("diff", cls=Verb)(config_diff)
about_config.command("schema", cls=Verb)(config_schema)
about_import = typer.Typer(
    cls=Verbs,
    name="import",
    help="""Make a config.toml from another product's export.

    Examples:
        config import segment workspace.json --out imported
    """,
    no_args_is_help=True,
    context_settings=HELP_OPTIONS,
    rich_markup_mode=None,
)
about_import.command("segment", cls=Verb)(config_import_segment)
about_config.add_typer(about_import)
app.add_typer(about_config, rich_help_panel="Start")

about_stores = typer.Typer(
    cls=Verbs,
    name="store",
    help="""Move a store to another place.

    Examples:
        store copy sqlite:var/router.db postgresql://router@db/router
    """,
    no_args_is_help=True,
    context_settings=HELP_OPTIONS,
    rich_markup_mode=None,
)
about_stores.command("copy", cls=Verb)(store_copy)
app.add_typer(about_stores, rich_help_panel="Keep")

# `bench` reads its own options, --help too
own_options = {"allow_extra_args": True, "ignore_unknown_options": True}
app.command(cls=Verb, rich_help_panel="More", add_help_option=False, context_settings=own_options)(bench)


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
        argv: the words after the program's name; those of this process unless given.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may know fewer letters than an id has
            stream.reconfigure(errors=letters.ERRORS)
    if os.environ.get(VARIABLE):
        shells.completion_init()
    try:
        code = _run(words)
        sys.stdout.flush()
    except OSError as error:
        if not _loses_output():
            raise
        if not isinstance(error, BrokenPipeError):  # that is a reader who has left, e.g. `| head`
            warn(f"standard output cannot be written: {error.strerror}")
        return 1
    return code


def _replace_closed_streams() -> None:
    """Open the null device in the place of each standard stream that the caller closed (`<&-`), so that no other file gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - it stays open


def _loses_output() -> bool:
    """Whether standard output takes nothing any more. What is buffered then goes nowhere, silently."""
    try:
        print(flush=True)  # an empty line: what failed before may be buffered no more
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


@cache
def command() -> Callable[..., Any]:
    """`app`, ready to run. To make it ready takes longer than most verbs do, so it is done once, however often tests call `main`."""
    return get_command(app)


def _run(words: list[str]) -> int:
    try:
        code = command()(words, prog_name="segment-router", standalone_mode=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    except (typer.TyperException, RouterError, sqlite3.Error) as error:
        return _tell(error, as_json="--json" in words and words[0] != "bench")
    return code if isinstance(code, int) else 0


def _tell(error: typer.TyperException | RouterError | sqlite3.Error, *, as_json: bool) -> int:
    """Print an error: on standard error for people, or on standard output as JSON. Returns the exit code."""
    exit_code, about = _about(error)
    if as_json:
        say_json({"error": about})
    elif isinstance(error, typer.TyperException):
        show: Any = error
        if (context := getattr(show, "ctx", None)) is not None:
            context.find_root().info_name = program()  # its last line is one to paste
        show.show()
    else:
        told: list[str] = about.get("problems", [about["message"]])
        warn(*(line for words in told for line in words.splitlines()))
    return exit_code


def _about(error: typer.TyperException | RouterError | sqlite3.Error) -> tuple[int, dict[str, Any]]:
    """The exit code of an error, and what a program is told of it: `code`, `message`, and `problems` where it has several."""
    match error:
        case typer.TyperException():
            return error.exit_code, {"code": "usage", "message": error.format_message()}
        case ConfigError():
            about = {"code": "invalid_config", "message": "the configuration is faulty", "problems": error.problems}
            return BAD_CONFIG, about
        case PluginError():
            return BAD_CONFIG, {"code": "invalid_plugin", "message": str(error)}
        case Refused():
            return 1, {"code": error.code, "message": str(error)}
        case NobodyThere():
            return 1, {"code": "not_running", "message": str(error)}
        case sqlite3.Error():
            return 1, {"code": "store_unreadable", "message": f"the store cannot be read: {error}"}
    return 1, {"code": "failed", "message": str(error)}
