"""Taking a destination out of config.toml: what is kept and what waits is shown first, and its name asked for."""

from __future__ import annotations

from aiohttp import web

from router.config import Proposal
from router.console.console import Console
from router.console.edit_form import needs_editing, read_config
from router.console.edits import Edit
from router.console.guard import checked_form, redirect, session_of
from router.console.rendered import Rendered
from router.editing.tables import CannotEdit, removed
from router.errors import CommandRefused

KEPT = ("held", "retrying", "queued", "dead")
"""States of events that a destination leaves behind."""


async def destination_remove(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """The page, and its form, which leads to a review."""
    given = await checked_form(console, request) if request.method == "POST" else None
    needs_editing(console)
    name = request.match_info["name"]
    file = await read_config(console)
    try:
        text = removed(file.text, name)
    except KeyError:
        raise CommandRefused("not_found", f"config.toml has no destination {name}") from None
    except CannotEdit as error:
        raise CommandRefused("cannot_edit", str(error)) from None
    if given is None:
        return await _page(console, name, file.hash, "", 200)
    if given.get("read_hash") != file.hash:
        return await _page(console, name, file.hash, "config.toml was changed since this page was opened", 409)
    if given.get("name") != name:
        return await _page(console, name, file.hash, f"write {name} to confirm", 422)
    plan = await console.daemon.preview(Proposal(text))
    if plan.code:
        return await _page(console, name, file.hash, "; ".join(plan.problems), 422)
    edit = Edit("", 0, name, "removed", file.hash, Proposal(text), ())
    return redirect(f"/settings/reviews/{console.edits.propose(session_of(request), edit)}")


async def _page(console: Console, name: str, read_hash: str, wrong: str, status: int) -> Rendered:
    counts = (await console.answers.ledger())["destinations"].get(name, {})
    kept = {state: counts.get(state, 0) for state in KEPT}
    values = {"name": name, "read_hash": read_hash, "wrong": wrong, "kept": kept}
    return Rendered("destination_remove.html", f"Remove {name}", values, status)
