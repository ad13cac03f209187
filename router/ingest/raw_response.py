"""Responses as bytes, as aiohttp would write them to a request of HTTP/1.1."""

from __future__ import annotations

from aiohttp import hdrs, web
from aiohttp.helpers import rfc822_formatted_time

from router.ingest.responses import SERVER, refusal_for, success


class RawResponses:
    """The answers of the hot path. The usual one to success is made once a second: only its Date changes."""

    def __init__(self) -> None:
        self._date = ""
        self._success = b""

    def render(self, result: Exception | int, *, closing: bool) -> tuple[int, bytes]:
        """Status and bytes of the answer to what was stored, or to what could not be.

        Args:
            result: how many calls of it are duplicates; or what kept it from being stored.
            closing: whether it is the last answer on its connection.
        """
        date = rfc822_formatted_time()
        if isinstance(result, Exception):
            refusal = refusal_for(result)
            return refusal.status, _raw(refusal, date, closing)
        if closing or result:
            return 200, _raw(success(result), date, closing)
        if date != self._date:
            self._date, self._success = date, _raw(success(), date, closing)
        return 200, self._success


def _raw(response: web.Response, date: str, closing: bool) -> bytes:
    body = response.body
    assert isinstance(body, bytes)
    headers = response.headers.copy()
    headers[hdrs.SERVER] = SERVER
    headers.setdefault(hdrs.CONTENT_LENGTH, str(len(body)))
    headers[hdrs.DATE] = date
    if closing:
        headers[hdrs.CONNECTION] = "close"
    lines = [f"HTTP/1.1 {response.status} {response.reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
