"""The search box: one hit leads there, several are listed, none says what was searched and what the usual causes are."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from router.console.console import Console
from router.console.guard import redirect
from router.console.rendered import Rendered
from router.console.words import path
from router.explain.usual_reasons import usual_reasons
from router.personal_data.mask import masked

MAX_WORD = 200

PLURALS = {"event": "events", "person": "people", "company": "companies", "name of events": "names of events"}
"""By kind of a hit."""


async def find(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """What `q` may be."""
    word = request.query.get("q", "").strip()[:MAX_WORD]
    if not word:
        return Rendered("find_none.html", "Find", {"word": "", "found": None, "usual": usual_reasons()})
    found = await console.lookups.find(word, with_traits=console.settings.search_traits)
    hits = hits_of(found, console.settings.mask)
    if len(hits) == 1:
        return redirect(hits[0]["address"])
    if hits:
        return Rendered("find.html", f"Find {word}", {"word": word, "hits": hits, "plurals": PLURALS})
    return Rendered("find_none.html", f"Find {word}", {"word": word, "found": found}, 404)


def hits_of(found: dict[str, Any], mask: str) -> list[dict[str, Any]]:
    """What was found, each with its kind, words, address. `mask`: of the names of companies."""
    events = [
        {
            "kind": "event",
            "id": one["message_id"],
            "words": f"from {one['source']}",
            "address": path("events", one["message_id"]),
        }
        for one in found["events"]
    ]
    people = [{"kind": "person", "id": user, "words": "", "address": path("users", user)} for user in found["people"]]
    groups = [
        {
            "kind": "company",
            "id": one["id"],
            "words": masked(one["name"] or "", mask) or "without a name",
            "address": path("groups", one["id"]),
        }
        for one in found["groups"]
    ]
    more = " or more" if found["is_capped"] else ""
    names = [
        {
            "kind": "name of events",
            "id": one["name"],
            "words": f"{one['events']:,}{more} events",
            "address": "/events?" + urlencode({"name": one["name"]}),
        }
        for one in found["names"]
    ]
    return [*events, *people, *groups, *names]
