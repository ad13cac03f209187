"""Who may talk to the admin API: Host (against DNS rebinding, also on loopback), bearer token, Content-Type on every POST."""

from __future__ import annotations

import hmac
import ipaddress
import re
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from router.admin.json_io import Handler, refusal
from router.runtime_file import STORE_HEADER

OPEN_PATHS = frozenset({"/", "/healthz", "/readyz"})
"""These need no token. What they tell a stranger is less: see `is_stranger`."""

STRANGER = web.RequestKey("stranger", bool)

JSON_TYPE = re.compile(r"application/([\w.-]+\+)?json")
"""RFC 6839 names JSON with a vendor's ending, too: clients of Segment's Public API send application/vnd.segment.v1+json. A browser sends
none of these from a foreign page without asking first, which a form's types would not need."""

PAGE = "console."
"""The name of a route to a page of the console begins with this."""


def guard(token: str | None, listen_host: str, store: str = "") -> Middleware:
    """The middleware in front of every admin handler."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_our_host(request.host, listen_host, token):
            words = f"Host {request.host!r} is not this listener; call it by its address or as localhost"
            return refusal(403, "wrong_host", words)
        if is_page(request):
            return await handler(request)
        request[STRANGER] = token is not None and not _has_token(request, token)
        if request[STRANGER] and request.path not in OPEN_PATHS:
            return refusal(401, "unauthorized", "send `Authorization: Bearer <admin.token of config.toml>`")
        if request.method == "POST" and not JSON_TYPE.fullmatch(request.content_type):
            return refusal(415, "wrong_content_type", "send Content-Type: application/json (the body may be {})")
        answer = await handler(request)
        if request.path not in OPEN_PATHS and store.isascii() and store.isprintable():
            answer.headers[STORE_HEADER] = store
        return answer

    return check


def is_stranger(request: web.Request) -> bool:
    """Whether somebody asks who has not given the token, where there is one. A request that passed no guard comes from one, too."""
    return bool(request.get(STRANGER, True))


def is_page(request: web.Request) -> bool:
    """Whether a page of the console answers: it has a login of its own, and forms in place of JSON."""
    return (request.match_info.route.name or "").startswith(PAGE)


def _is_our_host(host: str, listen_host: str, token: str | None) -> bool:
    try:
        _ = urlsplit(f"//{host}").port
    except ValueError:  # a port that there cannot be, or half of an address
        return False
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").lower()
    if name in ("localhost", listen_host.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return token is not None  # behind a proxy with its own host name; a rebound page has no token
    return True


def _has_token(request: web.Request, token: str) -> bool:
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), f"Bearer {token}".encode())
