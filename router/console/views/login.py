"""Logging in with the admin token, and out."""

from __future__ import annotations

from aiohttp import web

from router.console.console import Console
from router.console.guard import checked_form, mark_of, own_path, redirect, session_of, set_session
from router.console.rendered import Rendered


async def login(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """The form, and what it sends. A new session begins with each login, so nobody can be given one beforehand."""
    after = own_path(request.query.get("next", "/"))
    if not console.sessions.are_needed or console.sessions.is_open(session_of(request)):
        return redirect(after)
    if request.method == "GET":
        return _form(after, "")
    token, was_locked = (await checked_form(console, request)).get("token", ""), console.sessions.is_locked
    id = console.sessions.log_in(token)
    if id is None:
        if not was_locked:  # so ten lines a minute at most
            console.log.emit("login_refused", remote=request.remote, via="console")
        locked = "too many wrong tokens were given; try again in a minute"
        return _form(after, locked if console.sessions.is_locked else "that is not the admin token")
    answer = redirect(after)
    set_session(request, answer, id)
    console.log.emit("logged_in", remote=request.remote, session=mark_of(id), via="console")
    return answer


async def logout(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """End the session."""
    await checked_form(console, request)
    console.sessions.log_out(session_of(request))
    return redirect("/login")


def _form(after: str, wrong: str) -> Rendered:
    return Rendered("login.html", "Log in", {"next": after, "wrong": wrong}, 401 if wrong else 200)
