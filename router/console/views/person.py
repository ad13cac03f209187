"""A person: who they are, where their events are at each destination and why, and what they did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from router.admin.json_io import page_after
from router.clock import to_iso
from router.console.console import Console
from router.console.personal import full_name, hides_anything, reveal, shown_traits, whereabouts
from router.console.rendered import Rendered
from router.event import parse_user, show_user_key
from router.explain.figures import count, instant
from router.explain.whereabouts import Whereabouts, as_text
from router.personal_data.mask import masked


async def person(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """Traits as `console.mask` says."""
    return await _page(console, request, console.settings.mask)


async def show_person(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """The same with all traits, for this one view."""
    await reveal(console, request, _key(request))
    return await _page(console, request, "none")


def _key(request: web.Request) -> str:
    return parse_user(request.match_info["user"])


async def _page(console: Console, request: web.Request, mask: str) -> Rendered:
    key = _key(request)
    found = await console.lookups.person(key, page_after(request.query.get("before", "")))
    user = show_user_key(key)
    if found is None:
        since = (await console.lookups.find(user, with_traits=False))["since"]
        return Rendered("person_unknown.html", user, {"user": user, "id": key[2:], "since": since}, 404)
    if found["suppressed_at"] or found["is_being_forgotten"] or _is_gone(found):
        return Rendered("person_gone.html", user, {"user": user, "person": found})
    places = whereabouts(found["destinations"], mask)
    name, traits = masked(full_name(found["traits"]), mask), shown_traits(found["traits"], mask)
    found["groups"] = [{**one, "name": masked(one["name"] or "", mask)} for one in found["groups"]]
    return Rendered(
        "person.html",
        name or user,
        {
            "user": user,
            "person": found,
            "name": name,
            "traits": traits,
            "email": dict(traits).get("email", ""),
            "is_masked": hides_anything(found["traits"], mask),
            "places": places,
            "whose": {"user": user},
            "text": _as_text(user, name, found, places, console),
            "address": str(request.url.with_query(None)),
            "is_first_page": "before" not in request.query,
        },
    )


def _is_gone(found: Mapping[str, Any]) -> bool:
    """Whether they were forgotten, and nothing came since."""
    return bool(found["forgotten_at"]) and not found["events"] and found["traits"] is None and not found["groups"]


def _as_text(user: str, name: str, found: Mapping[str, Any], places: Sequence[Whereabouts], console: Console) -> str:
    at = instant(to_iso(console.daemon.now_ms))
    who = [user + (f", {name}" if name else "") + f" at {console.instance}, {at}"]
    if found["groups"]:
        newest = found["groups"][0]
        who.append(f"Company: {newest['name'] or 'without a name'} ({newest['id']}), since {instant(newest['since'])}")
    else:
        who.append("Company: none is known")
    counted = f"the newest {found['counted']:,} events" if not found["is_all"] else count(found["counted"], "event")
    who.append(f"Counted: {counted}")
    return as_text(who, places)
