"""A view's result as a whole page, or as the fragment that a stream sends."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any

from aiohttp import web
from markupsafe import Markup

from router import __version__
from router.console.console import Console
from router.console.guard import HEADERS, session_of
from router.console.rendered import Fragment, Rendered
from router.console.sse_message import Message
from router.console.troubles import troubles_of
from router.console.turns import RENDER_S
from router.console.words import clock
from router.explain.figures import count

_MARK = secrets.token_hex(8)
TOKEN, AS_OF, ROWS = f"@form-token-{_MARK}@", f"@as-of-{_MARK}@", f"@rows-{_MARK}@"
"""Stand in a fragment for what differs between browsers and between moments, so that one rendering serves all, and for rows that are
bytes by now. Nobody else can know them, so no event has them in it."""

MARK = '<span hidden data-as-of="{as_of}" data-troubles="{troubles}"></span>'
"""The script takes the moment of a fragment, and the number of troubles, from here."""


async def fragment(console: Console, request: web.Request, rendered: Rendered) -> Fragment:
    """The main part of a page, with TOKEN, AS_OF and ROWS in it."""
    n = await console.trouble_count.of(partial(_count_troubles, console))
    values = _values(console, request, rendered, n)
    mark = MARK.format(as_of=AS_OF, troubles=count(values["trouble_count"], "trouble"))
    await console.templates.compiled(rendered.template)
    await console.turns.take(RENDER_S)
    return Fragment(mark + console.templates.render(rendered.template, values), rendered.rows)


async def whole_page(console: Console, request: web.Request, rendered: Rendered, session: str) -> web.Response:
    """The page for a browser."""
    values = _values(console, request, rendered, await _count_troubles(console) if _is_known(console, request) else 0)
    await console.templates.compiled("frame.html", rendered.template)
    html = _timed(console, console.templates.render("frame.html", values)).replace(
        TOKEN, console.sessions.form_token(session)
    )
    body = html.encode().replace(ROWS.encode(), rendered.rows)
    answer = web.Response(status=rendered.status, body=body, content_type="text/html", charset="utf-8", headers=HEADERS)
    answer.enable_compression()
    return answer


def message(console: Console, fragment: Fragment) -> Message:
    """A fragment as it is sent at this moment."""
    return Message(_timed(console, fragment.html), TOKEN, ROWS, fragment.rows)


def _timed(console: Console, html: str) -> str:
    return html.replace(AS_OF, clock(console.daemon.now_ms))


async def _count_troubles(console: Console) -> int:
    return len((await troubles_of(console)).troubles)


def _is_known(console: Console, request: web.Request) -> bool:
    return not console.sessions.are_needed or console.sessions.is_known(session_of(request))


def _values(console: Console, request: web.Request, rendered: Rendered, trouble_count: int) -> dict[str, Any]:
    """What the frame and every template may use, and what the view gave."""
    is_known = _is_known(console, request)
    return {
        "main": rendered.template,
        "title": rendered.title,
        "is_live": rendered.is_live,
        "has_charts": rendered.has_charts,
        "here": request.path,
        "stream": str(request.rel_url.update_query(stream="1")),
        "query": dict(request.query),
        "instance": console.instance if is_known else "",  # of a machine's name and a version a stranger can make use
        "version": __version__ if is_known else "",
        "settings": console.settings,
        "is_shared": console.daemon.store.cluster is not None,
        "now_ms": console.daemon.now_ms,
        "as_of": AS_OF,
        "form_token": TOKEN,
        "is_logged_in": is_known,
        "can_log_out": console.sessions.are_needed and is_known,
        "trouble_count": trouble_count,
        "made_rows": Markup(ROWS if rendered.rows else ""),
        **rendered.values,
    }
