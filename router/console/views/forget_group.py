"""Forgetting a company from its page, in the same way as a person: what will be erased is shown first, and its id must be typed."""

from __future__ import annotations

from aiohttp import web

from router.console.console import Console
from router.console.guard import checked_form, redirect
from router.console.rendered import Rendered, refused
from router.console.views.forget import told_of
from router.console.words import path
from router.errors import CommandRefused


async def forget_group_page(console: Console, request: web.Request) -> Rendered:
    """The question; and once it was answered, how far the regulation is."""
    told = await told_of(console, request)
    values = {"group": request.match_info["group"], "tools": list(console.daemon.runners), **told}
    return Rendered("forget_group.html", "Forget a company", values, is_live=told["regulation"] is not None)


async def forget_group(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """Carry it out. The answer comes when nothing of the company is sent any more."""
    fields, group = await checked_form(console, request), request.match_info["group"]
    back = path("groups", group, "forget")
    if fields.get("group", "").strip() != group:
        return refused(f"type {group} to confirm; nothing was erased", back)
    kind = "DELETE_ONLY" if "tools" in fields else "DELETE_INTERNAL"
    try:
        regulation = await console.actions.forget(
            {"regulationType": kind, "subjectType": "GROUP_ID", "subjectIds": [group]}
        )
    except CommandRefused as error:
        return refused(str(error), back)
    return redirect(f"{back}?regulation={regulation.id}")
