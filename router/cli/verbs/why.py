"""`why`: what became of one event at each destination."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from router.cli.data_source import DataSource, open_data_source
from router.cli.endpoint import Failed, program
from router.cli.nobody import nothing_of
from router.cli.options import Common, Source, asks, hint
from router.cli.output import say, say_json
from router.cli.stored_fixture import fixture_of
from router.explain import code_phrases, destination_phrases, event_phrases
from router.explain.figures import count, instant
from router.vocabulary import UNSETTLED

FEW_ATTEMPTS = 10
"""So many attempts are shown; --json shows all."""

MessageId = Annotated[str | None, typer.Argument(metavar="MESSAGE_ID", help="The sender's message id.")]
NewestOf = Annotated[str | None, typer.Option("--user", metavar="USER", help="The newest event of this user.")]
Fixture = Annotated[
    bool,
    typer.Option(
        "--fixture",
        help="Print its call as a fixture for tests of a plugin, with what was known before. It has all personal data.",
    ),
]


@asks
def why(
    common: Common,
    message_id: MessageId = None,
    user: NewestOf = None,
    source: Source = None,
    fixture: Fixture = False,
) -> None:
    """Show what became of an event at each destination, and why.

    Examples:
        why 8f14e45f-ceea-467f-a0e6-1c2d3e4f5a6b
        why --user u1
        why hello-1 --json
        why hello-1 --fixture > tests/fixtures/hello.json
    """
    if (message_id is None) == (user is None):
        raise typer.BadParameter("name one message, or a user with --user", param_hint="MESSAGE_ID")
    with open_data_source(common) as data:
        if user is not None:
            message_id, source = _newest_of(user, source, data, common)
        assert message_id is not None
        if fixture:
            say_json(fixture_of(common, message_id, source))
            return
        found = data.message(message_id, source)
        if found is None:
            at = f" from source {source}" if source else ""
            look = f"{program()} discards{hint(common)}"
            raise Failed(f"no message {message_id!r}{at} is known; calls that could not be used are told by: {look}")
        if common.as_json:
            say_json(found)
            return
        say(f"{message_id}: {event_phrases.event(message_id, found)}")
        say(*(f"    {line}" for line in event_phrases.plan_lines(found.get("plan", {}))))
        if trace_id := found.get("trace_id"):
            say(f"    trace {trace_id}")
        names = data.ledger()["destinations"]
        asked = {} if event_phrases.deletion_of(message_id) else names  # of a deletion only those that are asked
        for name in {**found["destinations"], **asked}:
            say("", *_fate_lines(name, found, names.get(name, {}), data, common))


def _newest_of(user: str, source: str | None, data: DataSource, common: Common) -> tuple[str, str]:
    """Message id and source of the newest event of a user. Raises Failed where none is found."""
    found = data.events({"user": user, **({"source": source} if source else {})}, None, 1)
    if not found["items"]:
        if found["searched_to"]:
            since = f"since {instant(found['searched_to'])}; older events are not searched"
            raise Failed(f"no event of {user} is stored {since}")
        raise Failed("\n".join(nothing_of(user, data, common, is_all=source is None)))
    (event,) = found["items"]
    return event["message_id"], event["source"]


def _fate_lines(
    name: str, event: Mapping[str, Any], counts: Mapping[str, Any], data: DataSource, common: Common
) -> list[str]:
    told = event["destinations"].get(name)
    if told is None:
        return [f"{name}: began after this event was accepted"]
    waits = _lane(name, event, data) if told["state"] == "held" else None
    first, *more = f"{name}: {event_phrases.fate(told, event, waits)}".split("\n")
    lines = [first, *(f"        {line}" for line in more if line.strip())]  # a plugin's traceback
    if second := event_phrases.second_sending(told, event):
        lines += [f"    {line}" for line in second.split("\n") if line.strip()]
    lines += [f"    {line}" for line in event_phrases.filter_lines(told)]
    if advice := event_phrases.advice(told):
        lines.append(f"    {advice}")
    if told["state"] in UNSETTLED and (trouble := destination_phrases.trouble_of(name, counts)):
        lines.append(f"    {trouble}")
    if waits and (refused := event_phrases.refused(waits)):
        lines += [f"    {line}" for line in (refused, *_mend(name, waits, common))]
    if waits and waits.get("expires_at"):
        lines.append(f"    expires {instant(waits['expires_at'])} unless it is released before")
    if timers := destination_phrases.timers_of(told, code_phrases.user_of(event)):
        lines.append(f"    {timers}")
    attempts = told["attempts"]
    if len(attempts) > 1:
        lines.append(f"    {count(len(attempts), 'attempt')}")
    if len(attempts) > FEW_ATTEMPTS:
        lines.append(f"    {count(len(attempts) - FEW_ATTEMPTS, 'earlier attempt')}: --json shows all")
    for tried in attempts[-FEW_ATTEMPTS:]:
        if tried.get("request"):
            lines += ["    would send:", *(f"        {line}" for line in event_phrases.request_lines(tried["request"]))]
        else:
            first, *more = event_phrases.attempt(tried).split("\n")
            lines += [f"    {first}", *(f"        {line}" for line in more if line.strip())]
    return lines


def _mend(name: str, waits: Mapping[str, Any], common: Common) -> list[str]:
    """How to make the group call count that did not open the gate."""
    advice, verb = event_phrases.mend_refused(name, waits) or ("", "")
    return [f"{advice}: {program()} {verb}{hint(common)}" if verb else advice] if advice else []


def _lane(name: str, event: Mapping[str, Any], data: DataSource) -> Mapping[str, Any] | None:
    """The row of `held` about the event's user. An anonymous user's lane may have joined a user's since."""
    users = data.held(name, code_phrases.user_of(event), None)["users"]
    return users[0] if users else None
