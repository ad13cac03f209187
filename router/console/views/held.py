"""What a destination holds: by reason, then by person. Releasing and dropping ask first, with the number of events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from router.admin.json_io import page_after
from router.console.console import Console
from router.console.done import done, told
from router.console.live_tail import NOWHERE
from router.console.rendered import Rendered
from router.console.views.destination_actions import form_of_destination
from router.console.words import path
from router.deliver.operations import Shown
from router.errors import CommandRefused
from router.explain import event_phrases
from router.explain.figures import span
from router.explain.reasons import reason_of
from router.logger import to_paste


async def held(console: Console, request: web.Request) -> Rendered:
    """The page: 100 people at a time."""
    name, query = request.match_info["name"], request.query
    row = await console.answers.destination(name)
    found = await console.answers.held(name, query.get("user", "").strip() or None, query.get("after", ""))
    return Rendered(
        "held.html",
        f"Held at {name}",
        {
            "name": name,
            "row": row,
            "held": found,
            "calls": {one["user"]: _call(name, one) for one in found["users"]},
            "user": query.get("user", "").strip(),
            "told": told(query),
            "waits": [(reason, reason_of("held", reason), n) for reason, n in row["waiting"].items()],
            "span": span,
            "rate": _rate(console, name),
        },
        is_live=True,
    )


async def release_page(console: Console, request: web.Request) -> Rendered:
    """What a release lets go, on behalf of a group, or where the gate is open by now."""
    return await _preview(console, request, "release")


async def drop_page(console: Console, request: web.Request) -> Rendered:
    """What would become a dead letter."""
    return await _preview(console, request, "drop")


async def _preview(console: Console, request: web.Request, action: str) -> Rendered:
    name, query = request.match_info["name"], request.query
    user = query.get("user", "").strip()
    if not user:
        raise CommandRefused("invalid_request", "name the person whose events are meant")
    head = (await console.answers.newest(NOWHERE, None, 1))["head"]  # what comes later is not counted, and not dropped
    [row, *_] = (await console.answers.held(name, user, ""))["users"] or [None]
    if row is None:
        raise CommandRefused("not_held", f"nothing is held for {user} at {name}")
    return Rendered(
        "held_preview.html",
        "Release" if action == "release" else "Drop",
        {"name": name, "row": row, "action": action, "rate": _rate(console, name), "upto": head},
    )


def _call(name: str, row: Mapping[str, Any]) -> tuple[str, str, str]:
    """The group call that came and does not count, who can change that and how, and the line to type. "" for what there is not."""
    advice, verb = event_phrases.mend_refused(name, row) or ("", "")
    return event_phrases.refused(row) or "", advice, to_paste(verb) if verb else ""


def _rate(console: Console, name: str) -> object:
    """The configured pace; nothing where there is none."""
    return console.answers.runner(name).destination.config.delivery.rate


async def _release(console: Console, name: str, fields: dict[str, str]) -> web.Response:
    released = await console.actions.release(name, fields.get("user"), _group(fields))
    return done(path("destinations", name, "held"), "released", released)


async def _drop(console: Console, name: str, fields: dict[str, str]) -> web.Response:
    upto, events = (page_after(fields.get(key, "")) for key in ("upto", "events"))
    shown = None if upto is None or events is None else Shown(upto, events)
    dropped = await console.actions.drop_held(name, fields.get("user"), shown)
    return done(path("destinations", name, "held"), "dropped_held", dropped)


def _group(fields: dict[str, str]) -> dict[str, Any] | None:
    """The group of a form; None where it names none. Raises CommandRefused for a name without an id."""
    id, name = fields.get("group", "").strip(), fields.get("group_name", "").strip()
    if not id:
        if name:
            raise CommandRefused("invalid_request", "a group needs an id, not only a name")
        return None
    return {"id": id, **({"name": name} if name else {})}


release, drop = form_of_destination(_release, "held"), form_of_destination(_drop, "held")
