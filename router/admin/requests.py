"""What requests to the admin API carry: a JSON object, the place where a page ended."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from aiohttp import web


async def json_body(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object, {} where there is none. Raises HTTPBadRequest."""
    try:
        body = msgspec.json.decode(await request.read() or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body is not a JSON object")
    return body


def page_after(text: str) -> int | None:
    """The `next` of the answer before, None for the first page. Raises HTTPBadRequest."""
    if not text:
        return None
    if not re.fullmatch(r"-?\d{1,19}", text):
        raise web.HTTPBadRequest(text="`after` is the `next` of the answer before")
    return int(text)
