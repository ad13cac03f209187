"""Who may see a page and send a form: login, same origin, form tokens. And the headers that each page gets.

The pages are for browsers, so they must stand what a browser can be made to do by another page: forms and links from elsewhere
(same origin, SameSite cookie, form token), frames around us, scripts in what an event says (Content-Security-Policy). The Host
header was checked before, for all of the admin listener.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote, urlsplit

from aiohttp import web

from router.console.console import Console

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OPEN = frozenset({"console.login", "console.static"})
"""Names of the routes that need no login."""


def cookie_of(request: web.Request) -> str:
    """The name of our cookie. Browsers share cookies between ports, so it has the port in it."""
    return f"segment_router_{urlsplit(f'//{request.host}').port or 80}"


def session_of(request: web.Request) -> str:
    """The session id of the browser; empty where it has none, or one that cannot be ours."""
    id = request.cookies.get(cookie_of(request), "")
    return id if id.isascii() else ""


def session_mark(request: web.Request) -> str:
    """What the log may say of the session of the browser."""
    return mark_of(session_of(request))


def mark_of(session: str) -> str:
    """What the log may say of a session: the same for all that it does, and no way back to its id."""
    return hashlib.sha256(session.encode()).hexdigest()[:12]


def set_session(request: web.Request, answer: web.StreamResponse, id: str) -> None:
    """Give the browser a session id."""
    is_secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    answer.set_cookie(cookie_of(request), id, httponly=True, samesite="Strict", path="/", secure=is_secure)


def needs_login(console: Console, request: web.Request) -> web.Response | None:
    """Sends whoever is not logged in to the login page, and refuses them a stream; None for everybody else."""
    if not console.sessions.are_needed or request.match_info.route.name in OPEN:
        return None
    if console.sessions.is_open(session_of(request)):
        return None
    if request.query.get("stream") == "1":  # a script asks, and would take the login page for a stream
        return web.Response(status=401)
    return redirect(f"/login?next={quote(request.path_qs, safe='')}" if request.method == "GET" else "/login")


def redirect(path: str) -> web.Response:
    """Go on at a path of ours."""
    return web.Response(status=303, headers={"Location": path})


def own_path(text: str) -> str:
    """The path, where it is one of ours; else the first page. Browsers read `//host` and `/\\host` as another host."""
    is_ours = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_ours else "/"


async def checked_form(console: Console, request: web.Request) -> dict[str, str]:
    """The fields of a form of ours. Raises HTTPForbidden for one that another page sent, HTTPBadRequest, HTTPRequestEntityTooLarge.

    The login form carries no token: nobody has a session yet, and its field is the secret itself.
    """
    if not _is_same_origin(request):
        raise web.HTTPForbidden(text="this form was sent from another page; open the console and send it from there")
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType(text="forms are sent as application/x-www-form-urlencoded")
    fields = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    token = fields.pop("form_token", "")
    if request.match_info.route.name not in OPEN and not console.sessions.is_form_token(session_of(request), token):
        raise web.HTTPForbidden(text="this form is out of date; open the page again and send it again")
    return fields


def _is_same_origin(request: web.Request) -> bool:
    """Whether a browser says that one of our pages sent it. Who is not a browser says nothing, and has the form token to give."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None and site != "same-origin":
        return False
    return origin is None or urlsplit(origin).netloc.lower() == request.host.lower()
