"""Request heads of the hot path: read once by aiohttp's own parser, then recognised by their bytes.

A client sends the same head again and again; only the digits of Content-Length change. So a head is looked up without them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import msgspec
from aiohttp import hdrs
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.http_parser import HttpRequestParser

from router.ingest.write_key import Sender, key_beside_body

MAX_HEAD_BYTES = 4_096
MAX_CACHED_HEADS = 1_024

_PATHS = b"POST /v1/"
_LENGTH = re.compile(rb"\r\nContent-Length: *([0-9]{1,7})\r\n", re.IGNORECASE)
_TRACEPARENT = re.compile(rb"\r\ntraceparent: *([0-9a-f-]{55})(?=\r\n|\Z)", re.IGNORECASE)
_UNUSUAL = (hdrs.ORIGIN, hdrs.CONTENT_ENCODING, hdrs.TRANSFER_ENCODING, hdrs.EXPECT, hdrs.UPGRADE)
"""A request with one of these headers takes the full path."""


class Route(msgspec.Struct, frozen=True):
    """What is posted to a path."""

    type: str  #: of the one call; "" for a batch
    max_bytes: int


class Head(msgspec.Struct, frozen=True):
    """What the hot path needs to know of a request head."""

    route: Route
    key: str  #: the write key in it, or ""
    forwarded: tuple[str, ...]  #: the values of X-Forwarded-For


class Request(msgspec.Struct, frozen=True, gc=False):
    """Where a request stands in the bytes that begin with it."""

    head: Head
    body_at: int
    end: int
    traceparent: str = ""  #: the header, where the reader was asked for it


class HeadReader:
    """Reads the heads of one application. `routes`: the paths of the hot path; `is_traced`: heads that differ in their `traceparent`
    alone are one, and what it says is told."""

    def __init__(self, routes: Mapping[str, Route], *, is_traced: bool = False) -> None:
        self._routes, self._is_traced = routes, is_traced
        self._heads: dict[bytes, Head | None] = {}

    def read(self, data: bytes) -> Request | None:
        """The request that these bytes begin with; its body may still be on its way. None: the full path has to read it."""
        if not data.startswith(_PATHS):
            return None
        end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
        length = _LENGTH.search(data, 0, end + 2) if end > 0 else None
        if length is None:
            return None
        start, stop = length.span(1)
        shape, traceparent = data[:start] + data[stop:end], ""
        if self._is_traced and (found := _TRACEPARENT.search(shape)):
            shape, traceparent = shape[: found.start()] + shape[found.end() :], found[1].decode()
        try:
            head = self._heads[shape]
        except KeyError:
            head = self._remember(shape, self._parse(data[: end + 4], length[1].decode()))
        size = int(length[1])
        if head is None or not 0 < size <= head.route.max_bytes:
            return None
        return Request(head, end + 4, end + 4 + size, traceparent)

    def _remember(self, shape: bytes, head: Head | None) -> Head | None:
        if len(self._heads) >= MAX_CACHED_HEADS:
            self._heads.clear()
        self._heads[shape] = head
        return head

    def _parse(self, raw: bytes, length: str) -> Head | None:
        loop = asyncio.get_running_loop()
        parser = HttpRequestParser(BaseProtocol(loop), loop, MAX_HEAD_BYTES, auto_decompress=False)
        try:
            messages, upgraded, _ = parser.feed_data(raw)
        except Exception:  # the full path says what is wrong with it
            return None
        if len(messages) != 1 or upgraded:
            return None
        message, payload = messages[0]
        if payload.total_bytes or not _is_usual(message, length):
            return None
        route = self._routes.get(message.path)
        if route is None:
            return None
        forwarded = tuple(message.headers.getall(hdrs.X_FORWARDED_FOR, ()))
        return Head(route, key_beside_body(message.headers, message.url, Sender.LIBRARY), forwarded)


def _is_usual(message: RawRequestMessage, length: str) -> bool:
    return (
        message.method == hdrs.METH_POST
        and message.version == HttpVersion11
        and not (message.should_close or message.upgrade or message.chunked)
        and message.headers.getall(hdrs.CONTENT_LENGTH, ()) == [length]
        and not any(name in message.headers for name in _UNUSUAL)
    )
