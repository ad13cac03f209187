"""`plugin try`: what a plugin makes of an event, without a config.toml that names it and without a daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.lazy import lazy
from router.cli.options import AsJson, ConfigFile, is_typed
from router.cli.output import printable, say, say_json
from router.cli.plugin_settings import PluginName, Settings, Vendor, plugins_dir, settings_of
from router.cli.trial_output import event_lines, events_of, read_answer, trial_lines
from router.cli.verbs.try_ import GroupId, GroupName, UserKnown, known_of
from router.clock import SystemClock
from router.errors import ConfigError

if TYPE_CHECKING:
    from router import trial
else:
    trial = lazy("router.trial")

Event = Annotated[
    str,
    typer.Argument(
        metavar="TYPE|FILE",
        help="A call type for a sample, or a file of calls: JSON, JSON Lines or a batch; - reads standard input.",
    ),
]
Answer = Annotated[
    str,
    typer.Option(
        "--answer",
        metavar="ANSWER",
        help="What the vendor answers: 200, 400, 429, timeout, garbage, or what you write: STATUS:BODY or STATUS:@FILE.",
    ),
]


def plugin_try(
    context: typer.Context,
    name: PluginName,
    event: Event,
    settings: Settings = None,
    user_known: UserKnown = False,
    group: GroupId = None,
    group_name: GroupName = None,
    answer: Answer = "200",
    vendor: Vendor = "",
    config: ConfigFile = Path("config.toml"),
    as_json: AsJson = False,
) -> None:
    """Show what a plugin makes of an event.

    The decision, the items, the request, and the verdict on the answer of the vendor. The event goes through the gate as it would in
    the daemon; in a file of calls, later ones know what earlier ones tell. Nothing is sent and nothing is stored. config.toml is read for plugins_dir only, and need not be there: `try` shows a
    destination as config.toml has it. Exit code 1 if a hook of the plugin fails.

    Examples:
        plugin try webhook track --settings url=https://hook.example.com/in
        plugin try clientsuccess track --settings project_id=P --user-known --answer 429
        plugin try webhook call.json --settings url=https://hook.example.com/in
        plugin try acme-crm track --answer 207:@answer.json
        plugin try acme-crm track --vendor tests/test_destination.py:acme
    """
    if vendor and is_typed(context, "answer"):
        raise typer.BadParameter(
            "--answer says what the vendor answers, too; leave one of them out", param_hint="--vendor"
        )
    given = read_answer(answer)
    known = known_of(user_known, group, group_name)
    events = events_of(event, "TYPE|FILE")
    folder, now_ms = plugins_dir(context, config), SystemClock().now_ms()
    found = _tried(trial.Attempt(name, settings_of(settings), folder, Path.cwd(), events, known, now_ms, given, vendor))
    told = [{**{key: one[key] for key in one if key != "destinations"}, **_fate(one)} for one in found]
    if as_json:
        say_json({"plugin": name, "events": told})
    else:
        for number, one in enumerate(told):
            say(*([""] if number else []), *event_lines(one), *_lines(one))
    if any(map(_is_at_fault, told)):
        raise typer.Exit(1)


def _tried(attempt: trial.Attempt) -> list[dict[str, Any]]:
    """What becomes of each event. Raises PluginError, or ConfigError with what is wrong with the settings."""
    try:
        return trial.try_in_process(attempt)
    except ConfigError as error:
        hint = "; see --settings"
        raise ConfigError([one + hint if one.startswith("settings.") else one for one in error.problems]) from None
    except trial.VendorError as error:
        raise typer.BadParameter(str(error), param_hint="--vendor") from None


def _fate(event: dict[str, Any]) -> dict[str, Any]:
    """What becomes of it at the one destination; nothing of an event that would be discarded."""
    return next(iter(event["destinations"].values()), {})


def _is_at_fault(event: dict[str, Any]) -> bool:
    """Whether a hook of the plugin raised or gave what is no outcome."""
    if "outcome" not in event:
        return False
    outcomes = event["answered"]["outcomes"] if event["answered"] else []
    failed = any("error" in request for request in event["requests"])
    return failed or any(one["reason"] == "plugin_error" for one in (event, *outcomes))


def _lines(event: dict[str, Any]) -> list[str]:
    if "outcome" not in event:
        return []
    items = [f"item{_of_kind(item)}: {json.dumps(item['body'], ensure_ascii=False)}" for item in event["items"]]
    first, *rest = trial_lines("", event, event)
    return [first, *(f"    {printable(item)}" for item in items), *rest]


def _of_kind(item: dict[str, Any]) -> str:
    return f" of kind {item['kind']}" if item["kind"] else ""
