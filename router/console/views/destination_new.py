"""One more destination: first its plugin, then its settings. It begins in dry-run."""

from __future__ import annotations

import re
import tomllib

from aiohttp import web

from router.console.console import Console
from router.console.edit_form import NOT_NAMES, Checked, DestinationForm, form_of_new, needs_editing
from router.console.guard import checked_form
from router.console.rendered import Rendered
from router.console.views.destination_edit import again, page, sent_back
from router.editing.catalogue import offers
from router.editing.fields import FormField

NAME = FormField(
    "name", ("name",), "Name", "text", description="In commands, logs, metrics: a to z, 0 to 9, _ and -. It cannot be changed later.",
    is_required=True,
)  # fmt: skip

CHANGED = (
    "config.toml was changed since this form was opened. What you typed is still here: look it over, and send it again"
)


async def destination_new(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """The plugins to choose from; with `?plugin=`, the form, and what it sends."""
    given = await checked_form(console, request) if request.method == "POST" else {}
    needs_editing(console)
    plugin = request.query.get("plugin", "")
    if not plugin:
        return await _choice(console)
    name = given.get("name", "").strip()
    wrong = _why_no_name(console, name) if request.method == "POST" else ""
    form = await form_of_new(console, "" if wrong else name, plugin)
    if not wrong and name and name in _names(form):
        wrong = "another destination has this name"
        form = await form_of_new(console, "", plugin)
    form = _with_name(form, name or (plugin if plugin not in _names(form) else ""), wrong)
    if request.method == "GET":
        return page(console, form, Checked("", {}, [], None))
    if given.get("read_hash") != form.file.hash:
        return again(console, request, form, given, Checked("", {}, [CHANGED], None), 409)
    if wrong:
        return again(console, request, form, given, Checked("", {"name": wrong}, [], None), 422)
    return await sent_back(console, request, form, given, "added")


async def _choice(console: Console) -> Rendered:
    try:
        found = await console.daemon.plugin_threads.run("form", lambda: offers(console.daemon.config.plugins_dir))
    except TimeoutError:
        raise web.HTTPServiceUnavailable(text="the plugins took too long to be loaded") from None
    return Rendered("destination_new.html", "Add a destination", {"offers": found})


def _why_no_name(console: Console, name: str) -> str:
    if not re.fullmatch(r"[a-z0-9_-]{1,64}", name) or name in NOT_NAMES:
        return "not a name; use a to z, 0 to 9, _ and -, at most 64 of them, and not all or new"
    return ""


def _names(form: DestinationForm) -> set[str]:
    """The names that config.toml has already."""
    tables = tomllib.loads(form.file.text).get("destination", [])
    return {str(table.get("name")).lower() for table in tables}


def _with_name(form: DestinationForm, name: str, wrong: str) -> DestinationForm:
    return form._replace(fields=[NAME._replace(value=name, error=wrong), *form.fields])
