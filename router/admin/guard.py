"""Who may talk to the admin API: Host (against DNS rebinding, also on loopback), bearer token, Content-Type on every POST."""

from __future__ import annotations

import hmac
import ipaddress
import traceback
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from router.deliver.commands import Refused
from router.telemetry import Log

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
OPEN_PATHS = frozenset({"/healthz", "/readyz"})


def reply(body: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def refusal(status: int, code: str, words: str) -> web.Response:
    """A JSON error: words for people, a code for programs."""
    return reply({"error": words, "code": code}, status)


STATUS_OF = {"not_held": 404, "unknown_destination": 404, "invalid_request": 400}
"""The status of a command that was refused, by its code; 409 for all others."""


def guard(token: str | None, listen_host: str, log: Log) -> Middleware:
    """The middleware in front of every admin handler."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_our_host(request.host, listen_host, token):
            words = f"Host {request.host!r} is not this listener; call it by its address or as localhost"
            return refusal(403, "wrong_host", words)
        if token is not None and request.path not in OPEN_PATHS and not _has_token(request, token):
            return refusal(401, "unauthorized", "send `Authorization: Bearer <admin.token of config.toml>`")
        if request.method == "POST" and request.content_type != "application/json":
            return refusal(415, "wrong_content_type", "send Content-Type: application/json (the body may be {})")
        try:
            return await handler(request)
        except Refused as error:
            return refusal(STATUS_OF.get(error.code, 409), error.code, str(error))
        except web.HTTPException as error:
            answer = refusal(
                error.status, (error.reason or "error").lower().replace(" ", "_"), error.text or error.reason
            )
            if "Allow" in error.headers:
                answer.headers["Allow"] = error.headers["Allow"]
            return answer
        except Exception:
            log.emit("internal_error", reason="admin", path=request.path, detail=traceback.format_exc())
            return refusal(500, "internal_error", "a fault of the router itself; its log has the traceback")

    return check


def _is_our_host(host: str, listen_host: str, token: str | None) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").lower()
    if name in ("localhost", listen_host.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return token is not None  # behind a proxy under a name of its own; a rebound page has no token
    return True


def _has_token(request: web.Request, token: str) -> bool:
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), f"Bearer {token}".encode())
