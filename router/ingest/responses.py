"""What a client is told: every answer, and the one place where an error becomes a status.

Every answer is a JSON object, errors and malformed HTTP included: client libraries parse whatever comes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from aiohttp import hdrs, web
from multidict import CIMultiDict

from router.errors import InvalidCall, StoreAway, StoreBusy, StoreClosed, StoreError, StoreFull
from router.ingest.token_bucket import RateExceeded

UNAVAILABLE: dict[type[StoreError], tuple[str, int]] = {
    StoreBusy: ("store_busy", 1),
    StoreAway: ("store_away", 2),
    StoreClosed: ("store_closed", 5),
    StoreFull: ("store_full", 30),
    StoreError: ("store_error", 5),
}
"""Code, and Retry-After in whole seconds, never a date: most clients parse nothing else."""

RATE_RESET = "X-RateLimit-Reset"

DUPLICATES = "Segment-Router-Duplicates"
"""How many calls of a request were stored before. Absent where there are none."""

SERVER = "segment-router"
"""What answers say of who wrote them: no version, which would tell what can be tried."""

_JSON = "application/json"
_SUCCESS = b'{"success": true}'
_SUCCESS_HEADERS = CIMultiDict({hdrs.CONTENT_TYPE: _JSON, hdrs.CONTENT_LENGTH: str(len(_SUCCESS))})

log = logging.getLogger("router.ingest")  # the daemon takes standard-library records into its own log


def success(duplicates: int = 0) -> web.Response:
    """200: whatever was usable is on stable storage. `duplicates`: calls that were there already; a header has their number."""
    headers = _SUCCESS_HEADERS.copy()  # aiohttp adds Date and more to the headers that it is given
    if duplicates:
        headers[DUPLICATES] = str(duplicates)
    return web.Response(body=_SUCCESS, headers=headers)


def document(value: object) -> web.Response:
    """200 with a JSON object that browsers may keep, but ask again for."""
    headers = {hdrs.CONTENT_TYPE: _JSON, hdrs.CACHE_CONTROL: "no-cache", hdrs.VARY: hdrs.ORIGIN}
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return web.Response(body=body, headers=headers)


def failure(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An error in the form that clients read: some take code and message, some error."""
    return web.Response(
        status=status, body=failure_body(code, message), headers={hdrs.CONTENT_TYPE: _JSON, **(headers or {})}
    )


def failure_body(code: str, message: str) -> bytes:
    """The body of an error."""
    return msgspec.json.encode({"success": False, "code": code, "message": message, "error": message})


def failure_bytes(status: int, code: str, message: str) -> bytes:
    """A whole answer with an error, which ends its connection; for who has no request to answer."""
    body = failure_body(code, message)
    again = "Retry-After: 1\r\n" if status == 503 else ""
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {_JSON}\r\n{again}"
        f"Server: {SERVER}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def refusal_for(error: Exception) -> web.Response:
    """The answer for whatever a handler raised."""
    match error:
        case RateExceeded():
            wait = {hdrs.RETRY_AFTER: str(error.wait_s), RATE_RESET: str(error.wait_s)}
            return failure(error.status, error.code, str(error), wait)
        case InvalidCall():
            return failure(error.status, error.code, str(error))
        case StoreError():
            code, wait_s = next(UNAVAILABLE[family] for family in type(error).__mro__ if family in UNAVAILABLE)
            message = f"nothing was stored; try again in {wait_s} s"
            return failure(503, code, message, {hdrs.RETRY_AFTER: str(wait_s)})
        case web.HTTPMethodNotAllowed():
            allow = ", ".join(sorted({*error.allowed_methods, hdrs.METH_OPTIONS}))
            return failure(405, "method_not_allowed", f"use {allow}", {hdrs.ALLOW: allow})
        case web.HTTPNotFound():
            return failure(404, "not_found", "there is nothing at this path")
        case web.HTTPException():
            return failure(error.status, "http_error", error.reason)
    log.error("a request failed", exc_info=error)
    return failure(500, "internal_error", "an error of the router; it is in its log")
