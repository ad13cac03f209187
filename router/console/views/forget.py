"""Forgetting a person from their page: what will be erased is shown first, and the person must be typed. Carried out as a regulation,
the same as `forget` and `POST /api/regulations`."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from router.admin.regulations import described
from router.console.console import Console
from router.console.guard import checked_form, redirect
from router.console.rendered import Rendered, refused
from router.console.words import path
from router.errors import CommandRefused
from router.event import parse_user, show_user_key
from router.explain import regulation_phrases

KINDS = {
    (False, False): "DELETE_INTERNAL",
    (False, True): "DELETE_ONLY",
    (True, False): "SUPPRESS_WITH_DELETE_INTERNAL",
    (True, True): "SUPPRESS_WITH_DELETE",
}
"""Segment's regulationType, by whether no further call is accepted, and whether the tools are asked to delete."""


async def forget_page(console: Console, request: web.Request) -> Rendered:
    """The question; and once it was answered, how far the regulation is."""
    key = _key_of(request)
    told = await told_of(console, request)
    joined = [] if told["regulation"] else (await console.daemon.store.people.joined([key])).get(key, [])
    return Rendered(
        "forget.html",
        "Forget a person",
        {
            "user": show_user_key(key),
            "joined": [one[2:] for one in joined],
            "tools": list(console.daemon.runners),
            **told,
        },
        is_live=told["regulation"] is not None,
    )


async def told_of(console: Console, request: web.Request) -> dict[str, Any]:
    """The regulation that the address names, and its lines; None and no lines where it names none."""
    id = request.query.get("regulation", "")
    found = await console.daemon.store.people.find(id) if id else None
    regulation = described(found) if found else None
    return {"regulation": regulation, "lines": regulation_phrases.regulation(regulation) if regulation else []}


async def forget(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """Carry it out. The answer comes when nothing of the person is sent any more."""
    fields, key = await checked_form(console, request), _key_of(request)
    back = path("users", show_user_key(key), "forget")
    if fields.get("user", "").strip() not in (show_user_key(key), key[2:]):
        words = f"type {show_user_key(key)} to confirm; nothing was erased"
        return refused(words, back)
    body: dict[str, Any] = {
        "regulationType": KINDS["suppress" in fields, "tools" in fields],
        "subjectType": "USER_ID" if key[:2] == "u:" else "ANONYMOUS_ID",
        "subjectIds": [key[2:]],
    }
    try:
        regulation = await console.actions.forget(body)
    except CommandRefused as error:
        return refused(str(error), back)
    return redirect(f"{back}?regulation={regulation.id}")


def _key_of(request: web.Request) -> str:
    """The person that the path names. Raises CommandRefused for a group, or nobody."""
    key = parse_user(request.match_info["user"])
    if key[:2] == "g:" or not key[2:]:
        raise CommandRefused(
            "not_found", "only a person can be forgotten here: a userId, or anonymous:ID; a company on its own page"
        )
    return key
