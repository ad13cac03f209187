"""Try: an event through everything, with nothing sent and nothing stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from router.admin.pauses import pause_of
from router.admin.trying import Ask
from router.console.bodies import as_curl, as_received
from router.console.console import Console
from router.console.decisions import asked_by
from router.console.guard import checked_form, session_mark
from router.console.rendered import Rendered
from router.console.words import pretty
from router.errors import CommandRefused, ConfigError
from router.event import TYPES, parse_user
from router.explain import event_phrases, trial_phrases
from router.explain.destination_phrases import why_stopped
from router.explain.steps import steps
from router.in_thread import in_thread
from router.personal_data.mask import words_masked
from router.plugin_host import Destination, available
from router.trial import ANSWERS, Known, sample, split

SAMPLES = ("track", "identify", "group", "page", "screen", "alias")
FIELDS = ("event", "source", "destination", "user_known", "group_id", "group_traits", "answer", "settings")

EMPTY = dict.fromkeys((*FIELDS, "message", "message_source"), "")

PLUGIN = "plugin:"
"""In front of the name of a plugin, where a destination can be chosen. No destination has a colon in its name."""

STATE_OF = {"deliver": "delivered"}
"""The state of a trial's outcome, where it has another name."""


class Faulty(Exception):
    """A field of the form cannot be read: which, and why."""


async def trying(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """The form, and what came of it below. Another form of the page takes an event from the log."""
    if request.method == "GET":
        type = request.query.get("sample", "track")
        event = "" if request.query.get("message") else _sample(type if type in SAMPLES else "track")
        return await _page(console, {**EMPTY, **_named(request.query), "event": event})
    given = await checked_form(console, request)
    if "message" not in given:
        return await _tried(console, {key: given.get(key, "") for key in FIELDS}, session_mark(request))
    try:
        taken = await _from_log(console, given["message"].strip(), given.get("message_source") or None)
    except Faulty as fault:
        return await _page(console, {**EMPTY, **_named(given), "event": _sample("track")}, [str(fault)], 404)
    session = session_mark(request)
    console.log.emit(
        "personal_data_shown", message_id=given["message"].strip(), source=taken["source"], session=session
    )
    return await _page(console, {**EMPTY, **_named(given), **taken})


def _named(given: Mapping[str, str]) -> dict[str, str]:
    """What an address, or the form that takes an event from the log, says of it and of the destination."""
    return {key: given.get(key, "") for key in ("destination", "message", "message_source")}


async def _from_log(console: Console, message_id: str, source: str | None) -> dict[str, str]:
    """An event of the log, with what is known of its group. Raises Faulty."""
    pos, call = await console.answers.stored(message_id, source)
    if call is None:
        raise Faulty(f"no event with the message id {message_id[:200]!r} is stored, or its body is not stored any more")
    known = await console.trying.known(call, pos)
    return {
        "event": pretty({"type": call.type, "messageId": call.message_id, **as_received(call.body)}),
        "source": call.source,
        "group_id": known.group_id,
        "group_traits": json.dumps(dict(known.group_traits), ensure_ascii=False) if known.group_traits else "",
    }


async def _tried(console: Console, fields: Mapping[str, str], session: str) -> Rendered:
    user, is_typed = "", fields["user_known"] or fields["group_id"].strip()
    try:
        ask = _ask(fields)
        if ask.plugin is None and not is_typed:
            ask, user = await console.trying.with_known(ask)
        destinations = await console.trying.destinations(ask)
        found = await console.trying.run(ask, destinations)
    except Faulty as fault:
        return await _page(console, fields, [str(fault)], 400)
    except ConfigError as error:
        return await _page(console, fields, error.problems, 400)
    except CommandRefused as refused:
        return await _page(console, fields, str(refused).splitlines(), 409)
    at = {one.name: one for one in destinations}
    if user:
        console.log.emit("personal_data_shown", user_key=parse_user(user), session=session)
    shown = [_event(console, str(found["source"]), at, one) for one in found["events"]]
    return await _page(
        console, fields, found=shown, known=trial_phrases.known(user, ask.known.group_id) if user else ""
    )


def _ask(fields: Mapping[str, str]) -> Ask:
    """Raises Faulty."""
    try:
        events = split(fields["event"].encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise Faulty(f"the event: {error}{_place(fields['event'])}") from None
    group = fields["group_id"].strip()
    traits, settings = _object("group traits", fields["group_traits"]), _object("settings", fields["settings"])
    if traits and not group:
        raise Faulty("group traits: of which group are they? give its id")
    user = msgspec.json.decode(sample("identify"))["traits"] if fields["user_known"] else {}
    place, is_plugin = fields["destination"], fields["destination"].startswith(PLUGIN)
    return Ask(
        events[:MOST],
        fields["source"] or None,
        None if is_plugin else place or None,
        Known(user, group, traits or {}),
        fields["answer"],
        settings,
        place.removeprefix(PLUGIN) if is_plugin else None,
    )


MOST = 10
"""Events that the page tries at a time."""


def _object(name: str, text: str) -> dict[str, Any] | None:
    if not text.strip():
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Faulty(f"{name}: it is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise Faulty(f'{name}: it must be an object, such as {{"name": "Acme Inc"}}')
    return value


def _place(text: str) -> str:
    """Where JSON ends to be JSON."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"; line {error.lineno}, column {error.colno}: {error.msg}"
    except (ValueError, RecursionError):
        pass
    return ""


def _event(console: Console, source: str, at: Mapping[str, Destination], told: Mapping[str, Any]) -> dict[str, Any]:
    """One event, for the template."""
    if told["discarded"] is not None:
        return {"discarded": told["discarded"], "places": [], "plan": []}
    return {
        "discarded": None,
        "title": f"{told['type']} of {told['user']}",
        "message_id": told["message_id"],
        "plan": event_phrases.plan_lines(told.get("plan", {})),
        "places": [_place_of(console, source, at[name], one, told) for name, one in told["destinations"].items()],
    }


def _place_of(
    console: Console, source: str, destination: Destination, one: Mapping[str, Any], event: Mapping[str, Any]
) -> dict[str, Any]:
    """One event at one destination: what the steps say, what the plugin made, and what the vendor's answer would come to."""
    state = STATE_OF.get(one["outcome"], one["outcome"])
    asked = asked_by(destination, event["type"], has_plan=console.daemon.plan_of(source) is not None)
    first, _, rest = trial_phrases.trial(event, one).partition("\n")
    runner = console.daemon.runners.get(destination.name)
    pause = (
        pause_of(destination.name, runner.status) if runner is not None and runner.destination is destination else None
    )
    stands_in_the_way = state == "delivered" and pause is not None
    if pause is not None and stands_in_the_way:
        why = why_stopped(pause["state"], pause["reason"], words_masked(pause["detail"] or "", console.settings.mask))
        first = trial_phrases.would_wait(why)
    ids = {**_ids(event["user"]), "type": event["type"], "source": source}
    return {
        "name": destination.name,
        "state": "queued" if stands_in_the_way else state,
        "sentence": first.removesuffix(":"),  # of a traceback's first line
        "traceback": rest,
        "steps": steps({**one, "state": state}, ids, asked),
        "filter": one.get("expression", ""),
        "event": pretty(one["event"]) if one["event"] is not None else "",
        "made": [pretty(item["body"]) for item in one["items"]],
        "requests": [(request, as_curl(request) if "url" in request else "") for request in one["requests"]],
        "warnings": one["warnings"],
        "test": one["test"],
        "answer": one["answered"],
        "answered": trial_phrases.answered(one["answered"]) if one["answered"] else [],
    }


def _ids(user: str) -> dict[str, str | None]:
    """The ids of a user as people see it."""
    kind, _, id = user.partition(":")
    return {"user_id": id if kind == "user" else None, "anonymous_id": id if kind == "anonymous" else None}


async def _page(
    console: Console,
    fields: Mapping[str, str],
    problems: list[str] | None = None,
    status: int = 200,
    found: list[dict[str, Any]] | None = None,
    known: str = "",
) -> Rendered:
    values = {
        "fields": {**EMPTY, **fields},
        "problems": problems or [],
        "found": found or [],
        "known": known,
        "samples": SAMPLES,
        "answers": list(ANSWERS),
        "sources": [source.name for source in console.daemon.config.sources],
        "destinations": list(console.daemon.runners),
        "plugins": list(await in_thread(available, console.daemon.config.plugins_dir)),
        "plugin": PLUGIN,
    }
    return Rendered("try.html", "Try", values, status)


def _sample(type: str) -> str:
    assert type in TYPES
    return pretty(msgspec.json.decode(sample(type)))
