"""`destinations test`: try out a destination, its credentials and what it would make of events. Needs no daemon."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.endpoint import operator_of
from router.cli.lazy import lazy
from router.cli.options import Common, NameInFile, asks, given_before
from router.cli.output import say, say_json, warn
from router.cli.trial_intake import intake_of
from router.cli.trial_output import event_lines, read_events, trial_lines
from router.errors import ConfigError
from router.explain import trial_phrases

if TYPE_CHECKING:
    from router import config as configuration
    from router import plugin_host, trial
    from router.cli import destination_check
    from router.cli.destination_check import Checked
    from router.config import ConfigWarning, Draft
    from router.plugin_host import Destination
    from router.trial import Intake
else:
    configuration = lazy("router.config")
    plugin_host = lazy("router.plugin_host")
    destination_check = lazy("router.cli.destination_check")
    trial = lazy("router.trial")

Calls = Annotated[
    str | None,
    typer.Option(
        "--calls",
        metavar="FILE",
        help="Calls in place of samples: JSON, JSON Lines or a batch; - reads standard input.",
    ),
]

Tried = dict[str, dict[str, Any]] | list[dict[str, Any]]
"""Of samples by type, of calls in order."""


@asks
def destinations_test(common: Common, context: typer.Context, name: NameInFile, calls: Calls = None) -> None:
    """Try a destination's credentials, and show what it would send.

    It shows what the destination would make of samples, or of your own calls. The credentials are tried where the vendor lets us
    without sending an event. Needs no running daemon and stores nothing. Exit code 1 when the vendor refuses, or a secret to try is
    missing. Your own calls pass the privacy rules and the tracking plan of the first source that is connected.

    Examples:
        destinations test braze
        destinations test braze --calls calls.jsonl
    """
    common = given_before(context, common)
    draft, destination, missing = _read_one(common.config, name)
    own = read_events(calls, "--calls") if calls is not None else None
    intake = _intake_of(draft, destination) if own is not None else None

    async def run() -> tuple[Checked, Tried]:
        checked = await destination_check.check(destination, "; ".join(f"{w.key}: {w.words}" for w in missing))
        if own is not None and intake is not None:
            return checked, await destination_check.try_calls(destination, intake, own)
        return checked, await destination_check.try_samples(destination)

    checked, events = asyncio.run(run())
    if common.as_json:
        about = {"name": name, "plugin": destination.plugin_name, "mode": destination.config.mode}
        say_json({**about, "check": checked._asdict(), "events": events})
    else:
        _say(destination, checked, events)
    if checked.result in (destination_check.FAILED, destination_check.SECRET_MISSING):
        raise typer.Exit(1)


def _intake_of(draft: Draft, destination: Destination) -> Intake:
    """The first source that is connected to the destination. Raises ConfigError where its plan or the key of its hashes is not there."""
    wanted = destination.config.sources
    table = next((table for _, table in draft.sources if table.name in wanted or "*" in wanted), None)
    if table is None:
        return trial.Intake("website")
    plan = draft.plans.get(table.name)
    if (table.plan and plan is None) or (table.privacy.hash and draft.privacy.key is None):
        raise ConfigError(draft.problems)
    store = draft.config.store.path if draft.config is not None else None
    return intake_of(table, plan, draft.privacy, store)


def _read_one(config: Path, name: str) -> tuple[Draft, Destination, list[ConfigWarning]]:
    """What could be read of the file, the destination, and its secrets that are missing although it is not live.

    Raises:
        ConfigError: the file or this destination's table cannot be used.
        BadParameter: there is no destination of this name.
    """
    draft = configuration.examine(config, *operator_of(config))
    names = [table.name for _, table in draft.destinations]
    if name not in names and not names and draft.problems:
        raise ConfigError(draft.problems)
    try:
        destination = plugin_host.build_one(draft, name)
    except KeyError:
        there = f" (configured: {', '.join(names)})" if names else ""
        raise typer.BadParameter(
            f"{configuration.unknown(name, names, 'destination')}{there}", param_hint="NAME"
        ) from None
    told = [warning for warning in draft.warnings if warning.where == name]
    for warning in told:
        warn(f"warning: {warning}")
    return draft, destination, [warning for warning in told if warning.event == "secret_missing"]


def _say(destination: Destination, checked: Checked, events: Tried) -> None:
    table = destination.config
    about = table.mode if table.enabled else f"{table.mode}, disabled: it gets no events"
    say(f"{table.name}: plugin {destination.plugin_name}, {about}", *trial_phrases.checked(*checked))
    if isinstance(events, dict):
        for type, told in events.items():
            say("", *trial_lines(type, {"type": type}, told))
        return
    for event in events:
        say(
            "",
            *event_lines(event),
            *(line for told in event["destinations"].values() for line in trial_lines("", event, told)),
        )
