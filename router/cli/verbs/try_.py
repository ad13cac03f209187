"""`try`: what would become of an event, with nothing sent and nothing stored. Needs no daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.endpoint import operator_of
from router.cli.lazy import lazy
from router.cli.options import AsJson, ConfigFile
from router.cli.output import say, say_json, warn
from router.cli.trial_intake import intake_of
from router.cli.trial_output import event_lines, events_of, read_answer, trial_lines
from router.clock import SystemClock

if TYPE_CHECKING:
    from router import config as configuration
    from router import plugin_host, trial
    from router.config import Config
    from router.plugin_host import Destination
    from router.trial import Known
else:
    configuration = lazy("router.config")
    plugin_host = lazy("router.plugin_host")
    trial = lazy("router.trial")

Event = Annotated[
    str,
    typer.Option(
        "--event",
        metavar="FILE|TYPE",
        help="A file of calls (JSON, JSON Lines or a batch; - reads standard input), or a call type for a sample.",
    ),
]
At = Annotated[
    str | None, typer.Option("--destination", metavar="NAME", help="Only at this destination, in place of all.")
]
From = Annotated[
    str | None, typer.Option("--source", metavar="NAME", help="As a call of this source, in place of the first.")
]
UserKnown = Annotated[
    bool, typer.Option("--user-known", help="Take the user as known: their traits, their group and its name.")
]
Answer = Annotated[
    str | None,
    typer.Option(
        "--answer",
        metavar="ANSWER",
        help="What the vendor answers: 200, 400, 429 (with Retry-After 30), timeout, garbage, STATUS:BODY or STATUS:@FILE. Shows what becomes of the event.",
    ),
]
GroupId = Annotated[str | None, typer.Option("--group", metavar="ID", help="The user belongs to this group.")]
GroupName = Annotated[str | None, typer.Option("--group-name", metavar="NAME", help="And this is known as its name.")]


def try_(
    event: Event,
    destination: At = None,
    source: From = None,
    user_known: UserKnown = False,
    group: GroupId = None,
    group_name: GroupName = None,
    answer: Answer = None,
    config: ConfigFile = Path("config.toml"),
    as_json: AsJson = False,
) -> None:
    """Show what would become of an event, without sending it.

    Each destination asks in its order: privacy, suppression, plan, consent, filters, mapping table, gate, plugin, request. Uses
    config.toml as it is now. Sends nothing, stores nothing and asks no daemon; of the user it knows what you say and
    what the calls of the file tell, and from the store whether they are suppressed. Secrets are masked in the requests.

    Examples:
        try --event track --user-known
        try --event event.json --destination braze
        try --event event.json --group acme --group-name "Acme Inc"
        try --event track --user-known --answer 429
    """
    known = known_of(user_known, group, group_name)
    given = read_answer(answer) if answer is not None else ""
    events = events_of(event, "--event")
    loaded, destinations = plugin_host.read(config, *operator_of(config))
    warn(*(f"warning: {warning}" for warning in loaded.warnings if warning.event != "secret_missing"))  # it needs none
    chosen = _destinations(destinations, destination)
    now_ms = SystemClock().now_ms()
    name = _source(loaded, source)
    [table] = [table for table in loaded.sources if table.name == name]
    intake = intake_of(table, loaded.plans.get(name), loaded.privacy, loaded.store.path)
    found = asyncio.run(trial.try_events(events, intake, chosen, known, now_ms, given))
    if as_json:
        say_json({"source": name, "events": found})
        return
    for number, one in enumerate(found):
        say(*([""] if number else []), *event_lines(one))
        for place, told in one["destinations"].items():
            say("", *trial_lines(place, one, told))


def known_of(user_known: bool, group: str | None, group_name: str | None) -> Known:
    """What these options take as known. Raises BadParameter."""
    if group_name is not None and group is None:
        raise typer.BadParameter("needs --group: of which group is this the name?", param_hint="--group-name")
    known = trial.SAMPLE_KNOWN if user_known else trial.NOTHING_KNOWN
    if group is None:
        return known
    return trial.Known(known.user_traits, group, {"name": group_name} if group_name else {})


def _destinations(configured: Sequence[Destination], name: str | None) -> list[Destination]:
    """All of them, or the one of this name. Raises BadParameter."""
    found = [one for one in configured if name in (None, one.name)]
    if name is not None and not found:
        names = [one.name for one in configured]
        raise typer.BadParameter(configuration.unknown(name, names, "destination"), param_hint="--destination")
    return found


def _source(config: Config, name: str | None) -> str:
    """The source of this name, or the first. Raises BadParameter."""
    names = [source.name for source in config.sources]
    if name is None and names:
        return names[0]
    if name not in names:
        raise typer.BadParameter(configuration.unknown(name or "", names, "source"), param_hint="--source")
    return name
