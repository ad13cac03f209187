"""`destinations` lists them; `destinations test NAME` tries one out: its credentials, and what it would make of events."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli import read, words
from router.cli.options import AsJson, ConfigFile
from router.cli.show import say, say_json, warn
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.cli.trial import Checked
    from router.config import ConfigWarning
    from router.destinations import Destination

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name in config.toml.")]

app = typer.Typer(name="destinations", context_settings={"help_option_names": ["-h", "--help"]})


@app.callback(invoke_without_command=True)
def destinations(context: typer.Context, config: ConfigFile = Path("config.toml"), as_json: AsJson = False) -> None:
    """What is configured to receive, and how it is; `destinations test NAME` tries one out."""
    if context.invoked_subcommand is None:
        read.destinations(config, as_json)


@app.command("test")
def try_out(
    context: typer.Context, name: Name, config: ConfigFile = Path("config.toml"), as_json: AsJson = False
) -> None:
    """Try its credentials, where the vendor lets us without sending an event, and show what it would make of samples.

    Needs no running daemon and stores nothing. Exit code 1 when the vendor refuses, or a secret to try is missing.
    """
    import asyncio

    from router.cli import trial

    config, as_json = _given_before(context, config, as_json)
    destination, missing = _read_one(config, name)

    async def run() -> tuple[Checked, dict[str, Any]]:
        if missing and "check" in destination.hooks:
            checked = trial.Checked(trial.SECRET_MISSING, "; ".join(f"{w.key}: {w.words}" for w in missing))
        else:
            checked = await trial.check(destination)
        return checked, await trial.map_samples(destination)

    checked, events = asyncio.run(run())
    if as_json:
        about = {"name": name, "plugin": destination.plugin_name, "mode": destination.config.mode}
        say_json({**about, "check": checked._asdict(), "events": events})
    else:
        _say(destination, checked, events)
    if checked.result in (trial.FAILED, trial.SECRET_MISSING):
        raise typer.Exit(1)


@app.command("drop")
def drop(context: typer.Context, name: Name, config: ConfigFile = Path("config.toml")) -> None:
    """Drop all that is kept of a destination that config.toml does not name any more: what waits, dead letters, counts."""
    from router.cli.change import running_daemon

    config, _ = _given_before(context, config, as_json=False)
    with running_daemon(config) as admin:
        dropped = admin.delete("api", "destinations", name)["dropped"]
    say(f"{name}: dropped {', '.join(f'{n} {what}' for what, n in dropped.items())}")


def _given_before(context: typer.Context, config: Path, as_json: bool) -> tuple[Path, bool]:
    """The options may also stand before `test`."""
    before = context.parent.params if context.parent else {}
    source = context.get_parameter_source("config")
    if source is None or source.name != "COMMANDLINE":
        config = before["config"]
    return config, as_json or before["as_json"]


def _read_one(config: Path, name: str) -> tuple[Destination, list[ConfigWarning]]:
    """The destination, and its secrets that are missing although it is not live.

    Raises:
        ConfigError: the file or this destination's table cannot be used.
        BadParameter: there is no destination of this name.
    """
    from router.config import examine, unknown
    from router.destinations import build_one

    draft = examine(config, os.environ)
    names = [table.name for _, table in draft.destinations]
    if name not in names and not names and draft.problems:
        raise ConfigError(draft.problems)
    try:
        destination = build_one(draft, name)
    except KeyError:
        there = f" (configured: {', '.join(names)})" if names else ""
        raise typer.BadParameter(f"{unknown(name, names, 'destination')}{there}", param_hint="NAME") from None
    told = [warning for warning in draft.warnings if warning.where == name]
    for warning in told:
        warn(f"warning: {warning}")
    return destination, [warning for warning in told if warning.event == "secret_missing"]


def _say(destination: Destination, checked: Checked, events: dict[str, Any]) -> None:
    table = destination.config
    about = table.mode if table.enabled else f"{table.mode}, disabled: it gets no events"
    say(f"{table.name}: plugin {destination.plugin_name}, {about}", *words.checked(*checked))
    for type, told in events.items():
        say("", f"{type}: {words.trial(type, told)}")
        say(*(f"    its plugin warns: {reason}" for reason in told["warnings"]))
        for request in told["requests"]:
            say(*(f"    {line}" for line in words.request_lines(request)))
