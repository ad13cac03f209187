"""Reads the status of an answer before aiohttp does, which loses it where the headers or the body are malformed.

Answers before the answer (1xx) do not reach aiohttp: there, an endless row of them would block the loop.
"""

from __future__ import annotations

import re

from aiohttp.client_proto import ResponseHandler

from router.deliver.send.http_client import MAX_BODY, MAX_HEAD, MAX_HEADERS

MAX_RAW_BODY = 2 * MAX_BODY
"""Bytes after the head, framing included."""
MAX_STATUS_LINE = 8192
SWITCHING_PROTOCOLS = 101
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n")
_BEGINNING = re.compile(rb"(?:H(?:T(?:T(?:P(?:/[^\n]*)?)?)?)?)?\Z")
"""What may become a status line."""
_BLANK_LINE = re.compile(rb"\n\r?\n")


class HeadReader:
    """The head of one answer, from its bytes."""

    def __init__(self) -> None:
        self.status = 0  #: once the status line of the answer itself was read
        self.has_ended = False  #: its headers were read to their end
        self._is_none = False  #: no HTTP: aiohttp says what it is
        self._is_interim = False  #: inside of the headers of a 1xx
        self._held = b""
        self._head = bytearray()
        self._raw, self._limit = 0, MAX_HEAD

    @property
    def is_over(self) -> bool:
        """Whether it is longer than any answer may be."""
        return self._raw > self._limit

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case; nothing where they did not come to their end."""
        lines = bytes(self._head).decode("latin-1").split("\n", MAX_HEADERS + 1)[1:-1] if self.has_ended else []
        pairs = (line.partition(":") for line in lines)
        return {name.lower(): value.strip() for name, colon, value in pairs if colon and name == name.strip()}

    def feed(self, data: bytes) -> bytes:
        """Take bytes in. Returns those that aiohttp is to read now."""
        self._raw += len(data)
        if not self.status and not self._is_none:
            data = self._from_answer_on(self._held + data)
        if self.status and not self.has_ended:
            self._look_for_end(data)
        return data

    def _from_answer_on(self, data: bytes) -> bytes:
        """The bytes without the 1xx at their beginning; what is not decided yet is held."""
        at = 0
        while True:
            if self._is_interim:
                end = _BLANK_LINE.search(data, at)
                if end is None:
                    self._held = data[max(at, len(data) - 2) :]
                    return b""
                at, self._is_interim = end.end(), False
            line = _STATUS_LINE.match(data, at)
            if line is None:
                return self._unless_unfinished(data[at:])
            status = int(line[1])
            if status >= 200 or status == SWITCHING_PROTOCOLS:
                self.status, self._held = status, b""
                return data[at:]
            at, self._is_interim = line.end() - 1, True

    def _unless_unfinished(self, data: bytes) -> bytes:
        if len(data) <= MAX_STATUS_LINE and _BEGINNING.match(data):
            self._held = data
            return b""
        self._is_none, self._held = True, b""
        return data

    def _look_for_end(self, data: bytes) -> None:
        seen = max(0, len(self._head) - 2)
        self._head += data
        end = _BLANK_LINE.search(self._head, seen)
        if end is not None:
            self.has_ended = True
            self._limit = self._raw - (len(self._head) - end.end()) + MAX_RAW_BODY
            del self._head[end.end() :]


class WatchedHandler(ResponseHandler):
    """aiohttp's end of a connection, behind a HeadReader for each request."""

    reader: HeadReader | None = None

    def begin(self) -> HeadReader:
        """Expect the answer to a request."""
        self.reader = HeadReader()
        return self.reader

    def data_received(self, data: bytes) -> None:
        """Pass on what the reader lets through. What does not end is cut. No bytes: aiohttp goes on with those it has."""
        if self.reader is None or not data:
            super().data_received(data)
            return
        data = self.reader.feed(data)
        if self.reader.is_over:
            if self.transport is not None:
                self.transport.abort()
        elif data:
            super().data_received(data)
