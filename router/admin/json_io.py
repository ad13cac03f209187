"""JSON in and out of the admin API: bodies, pages, answers, and the status that each error becomes."""

from __future__ import annotations

import re
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from router.config.units import parse_given_instant
from router.errors import CommandRefused, CommandUnderWay, InvalidCall, StoreAway, StoreBusy
from router.ingest.body import read_body
from router.ingest.limits import MAX_ADMIN_BYTES
from router.logger import Log

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATUS_OF = {"not_found": 404, "not_held": 404, "unknown_destination": 404, "invalid_request": 400, "no_owner": 503}
"""The status of a command that was refused, by its code; 409 for all others."""


def reply(body: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def refusal(status: int, code: str, words: str) -> web.Response:
    """A JSON error: words for people, a code for programs."""
    return reply({"error": words, "code": code}, status)


def errors_as_json(log: Log) -> Middleware:
    """The outermost middleware: every exception of a handler becomes a JSON error."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except CommandUnderWay as error:
            return reply({"error": str(error), "code": error.code, "command": error.command}, 202)
        except CommandRefused as error:
            return refusal(STATUS_OF.get(error.code, 409), error.code, str(error))
        except InvalidCall as error:
            return refusal(error.status, error.code, str(error))
        except StoreBusy:
            return refusal(503, "busy", "too much is on its way; try again in 1 s")
        except StoreAway as error:
            return refusal(503, "store_away", str(error))
        except web.HTTPException as error:
            named = (error.reason or "error").lower().replace(" ", "_")
            code = "invalid_request" if error.status == 400 else named
            refused = refusal(error.status, code, error.text or error.reason)
            if "Allow" in error.headers:
                refused.headers["Allow"] = error.headers["Allow"]
            return refused
        except Exception:
            log.emit("internal_error", reason="admin", path=request.path, detail=traceback.format_exc())
            return refusal(500, "internal_error", "a fault of the router itself; its log has the traceback")

    return answer


async def json_body(request: web.Request, most: int = MAX_ADMIN_BYTES) -> dict[str, Any]:
    """The body, of at most so many bytes, as a JSON object, {} where there is none. Raises HTTPBadRequest, or what `read_body` does."""
    try:
        body = msgspec.json.decode(await read_body(request, most) or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body is not a JSON object")
    return body


def page_after(text: str) -> int | None:
    """The `next` of the answer before, None for the first page. Raises HTTPBadRequest."""
    if not text:
        return None
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):  # more than a row of the store can have
        raise web.HTTPBadRequest(text="`after` and `before` are the `next` of the answer before")
    return int(text)


def instant(key: str, text: str | None, now_ms: int) -> int | None:
    """A time that was asked for, in ms since 1970; None where none was. Raises CommandRefused."""
    try:
        return parse_given_instant(f"`{key}`", text, now_ms)
    except ValueError as error:
        raise CommandRefused("invalid_request", str(error)) from None
