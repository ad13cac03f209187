"""One event: what became of it at each destination, and why; and its body, on the way from the sender to each vendor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from router.console.bodies import Shown, as_curl, as_received, as_stored
from router.console.console import Console
from router.console.decisions import asked_by
from router.console.guard import checked_form, session_mark
from router.console.rendered import Rendered
from router.errors import CommandRefused
from router.event import Call, parse_user
from router.explain import code_phrases, destination_phrases, event_phrases, search_phrases, trial_phrases
from router.explain.reasons import reason_of
from router.explain.steps import Step, steps
from router.logger import to_paste
from router.personal_data.mask import words_masked
from router.trial import Known
from router.vocabulary import UNSETTLED

VIEWS = {
    "received": "as received", "stored": "as stored", "plugin": "as each plugin sees it", "request": "request", "answer": "answer",
}  # fmt: skip
MADE_ANEW = ("plugin", "request")
"""Views that call the plugins: such a page does not keep itself fresh."""


async def event(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """The page; a form of it shows personal traits once, which is logged."""
    message_id, source = request.match_info["message_id"], request.query.get("source") or None
    is_asked = request.method == "POST"
    if is_asked:
        await checked_form(console, request)
    discards = await _discards(console, message_id, source)
    sources = await _sources(console, message_id) if source is None else []
    if len(sources) > 1:
        return Rendered("event_choose.html", message_id, {"message_id": message_id, "sources": sources})
    told = await console.answers.message(message_id, source)
    if told is None:
        values = {
            "message_id": message_id,
            "discards": discards,
            "unknown": search_phrases.unknown_event(source),
            "causes": search_phrases.NOT_THERE,
        }
        return Rendered("event_unknown.html", message_id, values, 200 if discards else 404)
    pos, call = await console.answers.stored(message_id, source)
    if is_asked and call is not None:
        session = session_mark(request)
        console.log.emit("personal_data_shown", message_id=message_id, source=told["source"], session=session)
    shown = Shown("none" if is_asked else console.settings.mask, request.query.get("raw") == "1")
    view = request.query.get("view", "received")
    view = view if view in VIEWS else "received"
    known = await console.trying.known(call, pos) if call is not None else None
    return Rendered(
        "event.html",
        message_id,
        {
            "message_id": message_id,
            "told": told,
            "call": call,
            "discards": discards,
            "repeated": console.daemon.metrics.duplicates.of(told["source"], message_id),
            "user": None if told.get("forgotten") else code_phrases.user_of(told),
            "name": _name(call),
            "group_id": known.group_id if known else "",
            "group_name": _group_name(known, shown),
            "group_now": await _group_now(console, told),
            "fates": await _fates(console, told, shown),
            "plan": event_phrases.plan_lines(told.get("plan", {})),
            "body_gone": event_phrases.BODY_FORGOTTEN if told.get("forgotten") else event_phrases.BODY_GONE,
            "window_s": console.daemon.config.store.dedupe_window_s,
            "views": VIEWS,
            "tab": _tabs(source),
            "is_forgotten": bool(told.get("forgotten")),
            "view": view,
            "is_raw": shown.is_raw,
            "is_masked": shown.mask != "none",
            "is_asked": is_asked,
            **await _body(console, view, shown, pos, call, told),
        },
        is_live=not is_asked and view not in MADE_ANEW,
    )


def _group_name(known: Known | None, shown: Shown) -> str:
    name = known.group_traits.get("name") if known else None
    return shown.words(name) if isinstance(name, str) else ""


async def _group_now(console: Console, told: Mapping[str, Any]) -> str:
    """The group that the user of an event belongs to by now; empty for none."""
    user = "" if told.get("forgotten") else code_phrases.user_of(told)
    if not user:
        return ""
    groups = (await console.daemon.store.lookups.profile(parse_user(user)))["groups"]
    return str(groups[0]["id"]) if groups else ""


def _name(call: Call | None) -> str:
    """What the call is about: its event, page or screen; of a group call its group."""
    words = as_received(call.body) if call is not None else {}
    found = next((words[key] for key in ("event", "name", "groupId") if words.get(key)), "")
    return found if isinstance(found, str) else ""


async def _sources(console: Console, message_id: str) -> list[str]:
    """The sources that sent an event with this id: one only, unless it stands at different places of the log."""
    found: dict[int, str] = {}
    for source in console.daemon.config.sources:
        position = await console.daemon.store.queries.position(message_id, source.name)
        if position is not None:
            found.setdefault(position, source.name)
    return list(found.values())


async def _discards(console: Console, message_id: str, source: str | None) -> Sequence[Mapping[str, Any]]:
    items = (await console.daemon.store.input_reports.discards(None, 0))["items"]
    return [one for one in items if one["message_id"] == message_id and source in (None, one["source"])]


def _tabs(source: str | None) -> Callable[[str, bool], str]:
    """The address of a tab."""

    def tab(view: str, is_raw: bool) -> str:
        query = {"view": view, **({"raw": "1"} if is_raw else {}), **({"source": source} if source else {})}
        return f"?{urlencode(query)}#body"

    return tab


# ------------------------------------------------------------ what became of it


async def _fates(console: Console, told: Mapping[str, Any], shown: Shown) -> list[dict[str, Any]]:
    """By destination: the sentence, the steps, the attempts, what to do."""
    fates = {name: _masked(fate, shown) for name, fate in told["destinations"].items()}
    is_open = any(fate["state"] in UNSETTLED for fate in fates.values())
    counts = (await console.answers.ledger())["destinations"] if is_open else {}
    return [
        await _fate(console, name, told, fates.get(name), counts.get(name, {}), shown)
        for name in console.daemon.runners
    ]


async def _fate(
    console: Console,
    name: str,
    event: Mapping[str, Any],
    told: Mapping[str, Any] | None,
    counts: Mapping[str, Any],
    shown: Shown,
) -> dict[str, Any]:
    destination = console.daemon.runners[name].destination
    made: dict[str, Any] = {"name": name, "mode": destination.config.mode, "told": told}
    if told is None:
        return made
    waits = await _lane(console, name, event) if told["state"] == "held" else None
    first, _, detail = event_phrases.fate(told, event, waits).partition("\n")
    second = event_phrases.second_sending(told, event)
    lines = [*([second.partition("\n")[0]] if second else []), *event_phrases.filter_lines(told)]
    if told["state"] in UNSETTLED and (trouble := destination_phrases.trouble_of(name, counts)):
        lines.append(words_masked(trouble, shown.mask))
    if waits and (refused := event_phrases.refused(waits)):
        lines += [refused, *_mend(name, waits)]
    if timers := destination_phrases.timers_of(told, code_phrases.user_of(event)):
        lines.append(timers)
    asked = asked_by(destination, event["type"] or "", has_plan=console.daemon.plan_of(event["source"]) is not None)
    way: list[Step] = steps(told, event, asked)
    return {
        **made,
        "sentence": first.removesuffix(":"),  # of a traceback's first line
        "detail": detail,
        "lines": lines,
        "reason": (waits and event_phrases.of_refused(waits)) or reason_of(told["state"], told["reason"]),
        "steps": way,
        "expires": waits.get("expires_at") if waits else None,
        "attempts": [(event_phrases.attempt(one).partition("\n"), one) for one in told["attempts"]],
    }


def _mend(name: str, waits: Mapping[str, Any]) -> list[str]:
    """The line that sends the group call again which did not open the gate."""
    _, verb = event_phrases.mend_refused(name, waits) or ("", "")
    return [f"to send it again: `{to_paste(verb)}`"] if verb else []


def _masked(fate: Mapping[str, Any], shown: Shown) -> Mapping[str, Any]:
    """The same without the personal traits that a vendor, or a traceback, may repeat."""
    hidden: dict[str, Any] = {}
    if fate["state"] == "dead" and fate.get("detail"):
        hidden["detail"] = shown.words(fate["detail"])
    if (second := fate.get("replay")) and second.get("detail"):
        hidden["replay"] = {**second, "detail": shown.words(second["detail"])}
    if pause := fate.get("pause"):
        hidden["pause"] = {**pause, "detail": words_masked(pause["detail"] or "", shown.mask)}
    attempts = [{**one, "error": shown.words(one["error"] or "")} for one in fate["attempts"]]
    return {**fate, **hidden, "attempts": attempts}


async def _lane(console: Console, name: str, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What is told of the waiting events of its user there."""
    if event.get("forgotten"):
        return None
    users = (await console.answers.held(name, code_phrases.user_of(event), ""))["users"]
    return users[0] if users else None


# ------------------------------------------------------------ its body


async def _body(
    console: Console, view: str, shown: Shown, pos: int, call: Call | None, told: Mapping[str, Any]
) -> dict[str, Any]:
    """What the chosen tab shows: `text` of the whole event, or `parts` by destination."""
    empty: dict[str, Any] = {"text": "", "parts": [], "refused": ""}
    if view == "answer":
        return {**empty, "parts": [_answers(name, fate, shown) for name, fate in told["destinations"].items()]}
    if call is None:
        return empty
    if view == "received":
        text = call.body.partition(b"\n")[2].decode("utf-8", "replace")
        return {**empty, "text": shown.call(as_received(call.body)) if not _is_plain(shown) else text}
    if view == "stored":
        return {**empty, "text": shown.call(as_stored(call.body))}
    try:
        tried = await console.trying.again(call, pos)
    except CommandRefused as refused:
        return {**empty, "refused": str(refused)}
    return {**empty, "parts": [_part(name, one, told, shown) for name, one in tried["destinations"].items()]}


def _is_plain(shown: Shown) -> bool:
    """Whether the bytes themselves may be shown."""
    return shown.is_raw and shown.mask == "none"


def _part(name: str, tried: Mapping[str, Any], told: Mapping[str, Any], shown: Shown) -> dict[str, Any]:
    """What a plugin is given, and makes of it, as of today; and the request that a dry run recorded."""
    attempts = told["destinations"].get(name, {}).get("attempts", [])
    recorded = [one["request"] for one in attempts if one.get("request")]
    requests = [shown.request(one) for one in recorded or tried["requests"]]
    return {
        "name": name,
        "rebuilt": trial_phrases.rebuilt(
            {"type": told["type"] or "", "source": told.get("source")},
            tried,
            told["destinations"].get(name, {}).get("state", ""),
        ),
        "event": shown.call(tried["event"]) if tried["event"] is not None else "",
        "made": [shown.made(item["body"]) for item in tried["items"]],
        "test": tried["test"] if shown.mask == "none" else None,
        "has_test": tried["test"] is not None,
        "warnings": [words_masked(one, shown.mask) for one in tried["warnings"]],
        "supposed": shown.words(tried.get("supposed", "")),
        "is_recorded": bool(recorded),
        "requests": [(one, as_curl(one) if "url" in one else "") for one in requests],
    }


def _answers(name: str, fate: Mapping[str, Any], shown: Shown) -> dict[str, Any]:
    """What the vendor said, attempt by attempt."""
    return {"name": name, "answers": [{**one, "error": shown.raw_text(one["error"])} for one in fate["attempts"]]}
