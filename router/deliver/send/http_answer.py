"""Reads answers from the bytes of a connection, within bounds.

Once a status is read it decides: whatever goes wrong after it is `trouble` of the reply, not a fault. A request that the vendor
took must not be sent again because of a bad header.
"""

from __future__ import annotations

from httptools import HttpParserError, HttpParserInvalidStatusError, HttpParserUpgrade, HttpResponseParser

from router.deliver.send.answer_memory import AnswerMemory
from router.deliver.send.http_client import MAX_BODY, MAX_HEAD, MAX_HEADERS, Fault, Reply

MAX_RAW_BODY = 2 * MAX_BODY
"""Bytes after the head, framing included: chunk extensions and trailers never show up as body."""


class AnswerReader:
    """The answers of one connection, one at a time. The parser and this refer to each other until `release`."""

    __slots__ = (
        "_begun", "_chunks", "_complete", "_cut", "_final", "_headers", "_interim", "_keep", "_limit", "_memory",
        "_needs_close", "_parser", "_room", "_status_line", "_unfit", "raw",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._memory = AnswerMemory()
        self._begun = 0  #: answers, the present one included

    def begin(self, method: str) -> None:
        """Expect the answer to a request."""
        self._begun += 1
        self.raw = 0  #: bytes of this answer
        self._limit = MAX_HEAD
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._room = MAX_BODY
        self._status_line = False
        self._interim = False
        self._final = 0  #: the status, once all headers are read
        self._complete = False
        self._cut = False
        self._keep = False
        self._unfit = ""  #: why this is no answer
        self._needs_close = method == "HEAD"  # the parser would wait for a body

    def release(self) -> None:
        """Break the reference cycle with the parser, which else waits for the garbage collector."""
        self._parser = None

    @property
    def keeps(self) -> bool:
        """Whether the connection may carry another request: the answer was whole, and nothing came after it."""
        return self._complete and self._keep and not self._cut

    # ------------------------------------------------------------ bytes in

    def feed(self, data: bytes) -> Reply | Fault | None:
        """Take bytes in. What came of the request, once it is known."""
        if self._parser is None:
            return None
        is_first = not self.raw and not self._needs_close
        self.raw += len(data)
        if is_first and (known := self._memory.find(data)) is not None:
            self._complete = self._keep = True
            return known
        try:
            self._parser.feed_data(data)
        except HttpParserInvalidStatusError:
            return Fault("protocol", "the answer is not HTTP/1: no status", sent=True)
        except HttpParserUpgrade:
            self._unfit = self._unfit or "it switches protocols"
        except HttpParserError as error:
            if not self._complete and not self._unfit:
                return self._broken(f"malformed: {str(error) or 'unknown'}")
            self._keep = False
        if self._unfit:
            return Fault("protocol", f"the answer is none: {self._unfit}", sent=True)
        if self._complete or (self._final and self._needs_close):
            reply = self._reply("it is longer than 256 KB" if self._cut else "")
            if is_first and self.keeps:
                self._memory.learn(data, reply)
            return reply
        if self._cut or self.raw > self._limit:
            return self._over_limit()
        return None

    def end(self, why: str, *, clean: bool) -> Reply | None:
        """No more bytes will come. None where no status was read. `clean`: the vendor ended the connection in good order."""
        if self._final and clean and self._ends_with_connection:
            return self._reply("")
        if self._final:
            return self._reply(why)
        status = self._status()
        return Reply(status, {}, b"", f"headers: {why}") if status and self._has_status_line else None

    # ------------------------------------------------------------ what came of it

    def _reply(self, trouble: str) -> Reply:
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        return Reply(self._final, self._headers, body, f"body: {trouble}" if trouble else "")

    def _broken(self, why: str) -> Reply | Fault:
        if self._final:
            return self._reply(why)
        status = self._status()
        # The parser keeps the last answer's status until it has read the next one: what it says counts only for its first
        # answer, or where this answer has shown a reason phrase or a header.
        if status and (self._begun == 1 or self._has_status_line):
            return Reply(status, {}, b"", f"headers: {why}")
        return Fault("protocol", f"the answer is not HTTP/1: {why}", sent=True)

    def _over_limit(self) -> Reply | Fault:
        if self._final:
            return self._reply("it is longer than 256 KB")
        status = self._status()
        if status and self._has_status_line:
            return Reply(status, {}, b"", "headers: longer than 256 KB")
        return Fault("protocol", "no final status within 256 KB", sent=True)

    @property
    def _ends_with_connection(self) -> bool:
        """Whether no header says how long the body is, and none was left out that may."""
        headers = self._headers
        return len(headers) < MAX_HEADERS and not {"content-length", "transfer-encoding"} & headers.keys()

    @property
    def _has_status_line(self) -> bool:
        return self._status_line or bool(self._headers)

    def _status(self) -> int:
        status = self._parser.get_status_code() if self._parser is not None else 0
        return status if status >= 200 else 0

    # ------------------------------------------------------------ the parser's callbacks

    def on_message_begin(self) -> None:
        if self._complete:
            self._keep = False  # a second answer: the connection is out of step

    def on_status(self, reason: bytes) -> None:
        self._status_line = True

    def on_header(self, name: bytes, value: bytes) -> None:
        # Once there is a status: a trailer, or a header of a second answer.
        if not self._final and len(self._headers) < MAX_HEADERS:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._complete:
            return
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status < 100:
            self._unfit = "its status is below 100"
        elif status == 101:
            self._unfit = "it switches protocols"
        elif status < 200:
            self._interim, self._status_line, self._headers = True, False, {}
        else:
            self._final = status
            self._limit = self.raw + MAX_RAW_BODY

    def on_body(self, body: bytes) -> None:
        if self._complete or self._interim or self._cut:
            return
        if len(body) > self._room:
            body, self._cut = body[: self._room], True
        self._room -= len(body)
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        elif not self._complete:
            assert self._parser is not None
            self._complete = True
            self._keep = self._parser.should_keep_alive() and not self._needs_close
