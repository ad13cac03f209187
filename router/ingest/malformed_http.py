"""What is not HTTP, or not what it seems: found before any handler sees it, and told without a word of what was sent."""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import hdrs
from aiohttp.http import HttpVersion10, RawRequestMessage
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.web_protocol import _ErrInfo

from router.ingest import limits

_TOO_MANY = ("Too many headers received",)
"""What aiohttp raises for more than the head may have."""

_WORDS = {
    431: f"a line of the head is longer than {limits.MAX_LINE_BYTES} bytes, or it has more than {limits.MAX_HEADERS} headers",
    501: "the only Transfer-Encoding is chunked",
}


class Told(NamedTuple):
    """What its sender is told."""

    status: int
    code: str
    words: str


def told_of(error: BaseException | None, status: int) -> Told:
    """What is told of a request that the parser refuses. Never the words of the parser: they quote the head, and with it secrets."""
    is_too_large = isinstance(error, LineTooLong) or (error is not None and error.args == _TOO_MANY)
    status, code = (431, "head_too_large") if is_too_large else (status, "invalid_http")
    return Told(status, code, _WORDS.get(status, "the request is not valid HTTP"))


def error_in(message: RawRequestMessage) -> _ErrInfo | None:
    """The error that stands for a request which aiohttp would take, though it is not what its sender means."""
    if message.version < HttpVersion10:
        return _ErrInfo(400, BadHttpMessage("no version"), "")
    coding = ",".join(message.headers.getall(hdrs.TRANSFER_ENCODING, ()))
    if coding and coding.strip().lower() != "chunked":
        return _ErrInfo(501, BadHttpMessage("coding"), "")
    return None
