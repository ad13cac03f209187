"""A group: what is known of it, who belongs to it, what waits for it, and where the events of the company are."""

from __future__ import annotations

from aiohttp import web

from router.console.console import Console
from router.console.personal import full_name, hides_anything, reveal, shown_traits, whereabouts
from router.console.rendered import Rendered
from router.explain.code_phrases import waiting
from router.personal_data.mask import masked


async def group(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """Traits as `console.mask` says."""
    return await _page(console, request, console.settings.mask)


async def show_group(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """The same with all traits, for this one view."""
    await reveal(console, request, f"g:{request.match_info['group']}")
    return await _page(console, request, "none")


async def _page(console: Console, request: web.Request, mask: str) -> Rendered:
    group_id = request.match_info["group"]
    found = await console.lookups.group(group_id, request.query.get("after", ""))
    if found is None:
        since = (await console.lookups.find(group_id, with_traits=False))["since"]
        return Rendered("group_unknown.html", group_id, {"id": group_id, "since": since}, 404)
    name = masked(full_name(found["traits"]), mask)
    waits = [
        (place, one["user"], waiting(one["waiting_for"], one["user"], one["group_id"]), one["events"], one["since"])
        for place, lanes in found["held"].items()
        for one in lanes
    ]
    return Rendered(
        "group.html",
        name or group_id,
        {
            "group": found,
            "name": name,
            "traits": shown_traits(found["traits"], mask),
            "is_masked": hides_anything(found["traits"], mask),
            "places": whereabouts(found["destinations"], mask),
            "whose": {"company": group_id},
            "waits": waits,
        },
    )
