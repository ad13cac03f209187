"""A change of config.toml before it is made: the difference, what it does, and the button that writes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from aiohttp import web

from router.clock import to_iso
from router.config import examine
from router.console.console import Console
from router.console.done import done
from router.console.edit_form import model_of, needs_editing, read_config
from router.console.edits import SECRET_ONLY, Edit, Saved, mark_of
from router.console.guard import checked_form, redirect, session_of
from router.console.recent import Recent, compared
from router.console.rendered import Rendered
from router.console.saving import say_yes
from router.console.views.recent import LAST
from router.console.words import path as page_of
from router.editing.config_file import why_not_writable
from router.editing.masking import difference, without_secrets
from router.editing.tables import CannotEdit, table_of, text_of
from router.errors import CommandRefused, ConfigError
from router.in_thread import in_thread
from router.plugin_host import Destination, build_one
from router.plugin_host.secret_fields import secret_keys

LEAD = {
    "conflict": "Nothing was written: config.toml is not as you saw it.",
    "not_writable": "Nothing was written: a file cannot be written.",
    "refused": "Nothing was written: the check of the whole file fails.",
    "taken_back": "The file was written, the reload was refused, and the file has its former content again. Nothing is changed.",
    "failed": "The file was written, the reload failed half-way, and the file has its former content again. The log of the router says more.",
    "kept": "The file was written and the reload did not succeed. The file could not be taken back, so it holds the change, which is not active.",
}
"""What came of a yes, by the code of Saved."""


async def review(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """The page, and its button."""
    fields = await checked_form(console, request) if request.method == "POST" else None
    needs_editing(console)
    id, session = request.match_info["id"], session_of(request)
    if fields is None:
        await console.saves.ended(id)  # of a browser that went away meanwhile, and comes back
    edit = console.edits.edit(id, session)
    if edit is None:
        return await _waits_no_more(console, id)
    if fields is None:
        return await _page(console, edit, edit.saved)
    if fields.get("cancel"):
        console.edits.drop(id)
        return redirect("/settings" if edit.action == "added" else _of(edit))
    saved = await say_yes(console, id, edit)
    if saved.code != "saved":
        return await _page(console, edit, saved)
    return redirect("/settings?done=saved") if edit.action == "removed" else done(_of(edit), "saved")


def _of(edit: Edit) -> str:
    return page_of("destinations", edit.destination)


async def _waits_no_more(console: Console, id: str) -> Rendered:
    """Whether config.toml has the change of this id, which the router need not know any more: it may have been started anew."""
    file, mark = await read_config(console), id.rpartition(".")[2]
    values = {
        "is_secret": mark == SECRET_ONLY,
        "is_written": mark == mark_of(file.hash),
        "is_active": file.text.replace("\r\n", "\n") == console.daemon.config.text,
        "since": to_iso(console.daemon.in_force.since_ms),
    }
    return Rendered("review_gone.html", "Change", values, 200 if values["is_written"] else 404)


async def _page(console: Console, edit: Edit, saved: Saved | None) -> Rendered:
    path = console.daemon.config.path
    now = await read_config(console)
    plan = await console.daemon.preview(edit.proposal)
    keys = {**console.answers.secret_keys(), **await _secret_keys(console, edit)}
    is_old = now.hash != edit.read_hash
    unwritable = await in_thread(why_not_writable, path)
    values: dict[str, Any] = {
        "edit": edit,
        "saved": saved,
        "lead": LEAD[saved.code] if saved else "",
        "diff": difference(now.text, edit.proposal.text, path.name, keys),
        "plan": plan,
        "is_old": is_old,
        "unwritable": unwritable,
        "files": _files(path, edit),
        "has_more": now.text.replace("\r\n", "\n") != console.daemon.config.text,
        "copy": _own_text(edit, keys) if unwritable or (saved and saved.code == "not_writable") else "",
        "recent": await _recent(console, edit) if edit.action == "changed" and not (saved or plan.code) else None,
        "may_save": not (is_old or plan.code or unwritable),
    }
    return Rendered("review.html", f"Review {edit.destination}", values, 409 if saved else 200)


async def _recent(console: Console, edit: Edit) -> Recent | None:
    """What the change would make of the newest events; None where that cannot be told now."""

    def proposed() -> Destination:
        return build_one(examine(console.daemon.config.path, os.environ, proposal=edit.proposal), edit.destination)

    try:
        destination = await console.daemon.plugin_threads.run("form", proposed)
        return compared(*await console.actions.try_recent(edit.destination, LAST, destination))
    except (CommandRefused, ConfigError, TimeoutError):
        return None


def _files(path: Path, edit: Edit) -> list[str]:
    """The files of secrets, as config.toml names them."""
    return [os.path.relpath(file, path.parent) for file in edit.proposal.secrets]


async def _secret_keys(console: Console, edit: Edit) -> dict[str, frozenset[str]]:
    """Of the plugin of this destination, which may not run yet."""
    try:
        plugin = str(table_of(edit.proposal.text, edit.destination).get("plugin"))
    except KeyError:
        return {}
    model, _ = await model_of(console, plugin)
    return {plugin: secret_keys(model)} if model else {}


def _own_text(edit: Edit, keys: dict[str, frozenset[str]]) -> str:
    """The lines of this destination, to be copied by hand."""
    try:
        return text_of(without_secrets(edit.proposal.text, keys), edit.destination)
    except (KeyError, CannotEdit, CommandRefused):
        return ""
