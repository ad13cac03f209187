"""Calls by image: `GET /v1/pixel/<type>?data=...`, for mails and pages without scripts. The answer is always the image.

Source: https://segment.com/docs/connections/sources/catalog/libraries/server/pixel-tracking-api/
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import hdrs, web
from multidict import CIMultiDict

from router.errors import InvalidCall, StoreError
from router.event import TYPES
from router.ingest.admission import SOURCE, STATUS, Admission
from router.ingest.limits import MAX_SINGLE_BYTES
from router.ingest.parse import Single, parse_single
from router.ingest.refusals import Refusals
from router.ingest.write_key import Sender

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""One transparent point."""

MAX_DOTS = 16
"""Levels of a dotted name; any further dots belong to the last name."""

_SWITCHES = {**dict.fromkeys(("false", "0", "no", "off"), False), **dict.fromkeys(("true", "1", "yes", "on"), True)}
"""What an entry of `integrations` says as text."""

_HEADERS = CIMultiDict({hdrs.CONTENT_TYPE: "image/gif", hdrs.CACHE_CONTROL: "no-store"})


class Pixel:
    """The handler."""

    def __init__(self, admission: Admission, refusals: Refusals) -> None:
        self._admission, self._refusals = admission, refusals

    async def get(self, request: web.Request) -> web.Response:
        """Take the call in the query, if it can be taken. HEAD takes nothing: mail scanners ask so."""
        if request.method == hdrs.METH_GET:
            try:
                posted = read_pixel(request.match_info["type"], request.query)
                await self._admission.take(request, posted, Sender.PAGE)
            except InvalidCall as refusal:  # a picture cannot say it, and nobody asks for it again
                request[STATUS] = refusal.status
                self._refusals.note(request.get(SOURCE, ""), refusal, is_final=True)
            except StoreError:
                request[STATUS] = 503
        return web.Response(body=GIF, headers=_HEADERS.copy())


def read_pixel(type: str, query: Mapping[str, str]) -> Single:
    """The call in a query: base64 JSON in `data`, else one parameter a field. Raises InvalidCall."""
    if type not in TYPES:
        raise InvalidCall("unknown_type", "there is no such type of call")
    data = query.get("data")
    body = _nested(query) if data is None else _decode_base64(data)
    if len(body) > MAX_SINGLE_BYTES:
        raise InvalidCall("payload_too_large", "the call is too large")
    return parse_single(type, body)


def _decode_base64(text: str) -> bytes:
    """Base64 of either alphabet, with or without padding. A query turns `+` into a space."""
    text = text.strip("\r\n\t").replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise InvalidCall("invalid_encoding", "data is not base64") from None


def _nested(query: Mapping[str, str]) -> bytes:
    """The JSON that parameters such as `properties.subject=Hello` stand for; values stay text, but those of `integrations`."""
    call: dict[str, Any] = {}
    for name, value in query.items():
        *outer, last = name.split(".", MAX_DOTS)
        inner = call
        for part in outer:
            if not isinstance(inner.get(part), dict):
                inner[part] = {}
            inner = inner[part]
        inner[last] = _SWITCHES.get(value.strip().lower(), value) if outer == ["integrations"] else value
    try:
        return msgspec.json.encode(call)
    except UnicodeEncodeError:  # half a surrogate pair
        raise InvalidCall("invalid_encoding", "the query is not valid UTF-8") from None
