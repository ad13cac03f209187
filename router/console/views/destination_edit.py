"""The form of a destination: enabled, mode, sources, settings, filter and mapping. It leads to a review, and writes nothing itself."""

from __future__ import annotations

from aiohttp import web

from router.console.console import Console
from router.console.edit_form import (
    Checked,
    DestinationForm,
    checked,
    form_of,
    needs_editing,
    secrets_typed,
    shown_again,
)
from router.console.guard import checked_form, redirect, session_of
from router.console.rendered import Rendered
from router.console.trying import try_credentials
from router.editing.config_file import why_not_writable

STALE = "config.toml was changed since this form was opened. It shows the file as it is now; enter your change again"

FILTERS_TO_COPY = (
    ("type = 'track'", "calls of one type; also !="),
    ("event in ['Signed Up', 'Paid Invoice']", "one of a list"),
    ("properties.total > 100", "numbers: <, <=, >, >="),
    ("userId != null", "the field is there"),
    ("type = 'track' and !contains( context.page.url, 'staging' )", "and, or, and ! for the opposite"),
)
"""Expressions with what they are for."""


async def destination_edit(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """The form, and what it sends."""
    given = await checked_form(console, request) if request.method == "POST" else None
    needs_editing(console)
    form = await form_of(console, request.match_info["name"])
    if given is None:
        return page(console, form, Checked("", {}, [], None))
    if given.get("read_hash") != form.file.hash:
        return page(console, form, Checked("", {}, [STALE], None), status=409)
    return await sent_back(console, request, form, given, "changed")


async def sent_back(
    console: Console, request: web.Request, form: DestinationForm, given: dict[str, str], action: str
) -> Rendered | web.StreamResponse:
    """The answer to a form of the present file: the review, or the form again with what is wrong, or what a test said."""
    session = session_of(request)
    draft, typed = console.edits.type(given.get("draft", ""), session, secrets_typed(form, given))
    given = {**given, **typed}
    if given.get("do") == "test":
        told, errors = await try_credentials(console, form, given)
        fields = shown_again(form.fields, given, errors)
        status = 422 if errors else 200
        return page(console, form._replace(fields=fields), Checked("", errors, [], None), draft, told, typed, status)
    result = await checked(console, session, form, given, action, draft)
    if result.id:
        return redirect(f"/settings/reviews/{result.id}")
    return _as_typed(console, form, given, result, draft, typed, 422)


def again(
    console: Console, request: web.Request, form: DestinationForm, given: dict[str, str], result: Checked, status: int
) -> Rendered:
    """A form that was not looked into, with all that was typed into it. Its secrets are kept, and not shown."""
    draft, typed = console.edits.type(given.get("draft", ""), session_of(request), secrets_typed(form, given))
    return _as_typed(console, form, given, result, draft, typed, status)


def _as_typed(
    console: Console,
    form: DestinationForm,
    given: dict[str, str],
    result: Checked,
    draft: str,
    typed: dict[str, str],
    status: int,
) -> Rendered:
    fields = shown_again(form.fields, given, result.errors)
    return page(console, form._replace(fields=fields), result, draft, [], typed, status)


def page(
    console: Console,
    form: DestinationForm,
    result: Checked,
    draft: str = "",
    told: list[str] | None = None,
    typed: dict[str, str] | None = None,
    status: int = 200,
) -> Rendered:
    """The form with what is known of it. `typed`: the secrets that wait for the review, of which only the names are shown."""
    is_new = any(field.name == "name" for field in form.fields)
    values = {
        "form": form,
        "is_new": is_new,
        "general": [field for field in form.fields if not field.name.startswith("setting.")],
        "fields": [field for field in form.fields if field.name.startswith("setting.")],
        "result": result,
        "draft": draft,
        "told": told or [],
        "typed": frozenset(typed or ()),
        "filters_to_copy": FILTERS_TO_COPY,
        "unwritable": why_not_writable(console.daemon.config.path),
    }
    return Rendered("destination_edit.html", "Add a destination" if is_new else f"Change {form.name}", values, status)
