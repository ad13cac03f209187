"""What lets a browser on another site send, and read the answer: CORS headers, for any origin.

A preflight carries no write key, so it grants every origin; whether a source wants that browser's calls is decided when
they come, in `admission`.

Source: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from aiohttp import hdrs, web

from router.ingest.responses import RATE_RESET

METHODS = "GET, POST, OPTIONS"
MAX_AGE_S = 7200
"""How long a browser remembers a preflight."""

_EXPOSED = f"{hdrs.RETRY_AFTER}, {RATE_RESET}"


def grant(origin: str, answer: web.StreamResponse) -> None:
    """Let a page of this origin read the answer."""
    headers = answer.headers
    headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
    headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
    headers[hdrs.VARY] = hdrs.ORIGIN


def preflight(request: web.BaseRequest) -> web.Response:
    """The answer to OPTIONS on any path; to be granted like every other one."""
    headers = {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: METHODS,
        hdrs.ACCESS_CONTROL_MAX_AGE: str(MAX_AGE_S),
        hdrs.ALLOW: METHODS,
    }
    wanted = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS)
    if wanted:
        headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = wanted
    return web.Response(status=204, headers=headers)
