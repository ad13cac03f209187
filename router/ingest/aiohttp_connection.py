"""One connection of a listener, with its bounds; and how malformed HTTP is answered, which aiohttp meets before any handler does.

On the ingestion listener the hot path gets the bytes first. The admin listener has the full path only.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import StreamReader, hdrs, web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import _ErrInfo

from router.ingest import limits
from router.ingest.head_size import HeadSize
from router.ingest.hot_connection import HotConnection
from router.ingest.malformed_http import error_in, told_of
from router.ingest.received_bytes import Share
from router.ingest.responses import SERVER, failure, failure_bytes, refusal_for
from router.ingest.upgrade import Upgrade

if TYPE_CHECKING:
    from router.ingest.aiohttp_server import IngestServer

log = logging.getLogger("router.ingest")

SLICE_BYTES = 16 * 1024
"""aiohttp's parser gets so much at a time: what it keeps of a head between two looks of ours is no more than this."""

_REFUSALS = {
    "too_many_connections": failure_bytes(503, "too_many_connections", "too many connections; try again in 1 s"),
    "no_descriptors": failure_bytes(503, "too_many_connections", "too many connections; try again in 1 s"),
    "too_many_bytes": failure_bytes(503, "store_busy", "too much is on its way; try again in 1 s"),
    "head_too_large": failure_bytes(431, "head_too_large", f"the head is larger than {limits.MAX_HEAD_BYTES} bytes"),
    "head_timeout": failure_bytes(408, "head_timeout", f"the head did not arrive within {limits.HEAD_TIMEOUT_S:.0f} s"),
}
"""What a client is told whose connection is ended before it has sent a whole request head, by the reason."""


class Connection(web.RequestHandler):
    """One connection, and both of its paths: the hot one gets the bytes first.

    What aiohttp says of malformed HTTP by itself is plain text, and a traceback in the log.
    """

    __slots__ = (
        "_answered",
        "_begun",
        "_body",
        "_head",
        "_head_timer",
        "_hot",
        "_last_body",
        "_server",
        "_socket",
        "_stands_by",
        "_unread_timer",
        "_upgrade",
        "share",
    )

    def __init__(self, manager: IngestServer, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._server = manager
        self.share = Share(manager.received)
        # These three count requests of the full path.
        self._answered = 0  #: requests that have an answer
        self._begun = 0  #: the number of the last request of which something is here
        self._body: StreamReader | None = None  #: of the last request with an answer
        self._last_body: StreamReader | None = None  #: of the last request whose head is here
        self._head = HeadSize()
        self._upgrade = Upgrade()
        self._head_timer: asyncio.TimerHandle | None = None
        self._stands_by = False  #: it has to wait for a turn of the loop in which it is read
        self._unread_timer: asyncio.TimerHandle | None = None  #: runs while the client reads nothing
        self._socket: asyncio.Transport | None = None  #: the transport, also while it is closing
        self._hot = HotConnection(manager.hot_path, self) if manager.hot_path is not None else None

    # ------------------------------------------------------------ how it is

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request, and not even half a head of one is here."""
        is_hot = self._hot is not None and self._hot.is_busy
        return self._waiter is not None and self._begun <= self._answered and not is_hot

    @property
    def is_waiting(self) -> bool:
        """Whether the full path waits for a request, and nothing of one is here."""
        waiter = self._waiter
        return waiter is not None and not waiter.done() and self._begun <= self._answered

    @property
    def is_unfinished(self) -> bool:
        """Whether no whole request of it is being handled: closing it loses nothing that may be stored."""
        if self._hot is not None and self._hot.is_storing:
            return False
        present = self._current_request
        if present is None:
            return not self._messages or self._has_half_a_body
        return not present.content.is_eof()

    @property
    def idle_since(self) -> float:
        """In the loop's time: when its last request was answered, or it was made."""
        return self._next_keepalive_close_time - self._keepalive_timeout

    @property
    def is_stopping(self) -> bool:
        """Whether each answer that is the last one on its connection has to end it."""
        return self._server.is_stopping

    @property
    def _has_half_a_body(self) -> bool:
        body = self._last_body
        return body is not None and not body.is_eof() and body is not self._body

    # ------------------------------------------------------------ its beginning and its end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._socket = self.transport
        assert self._socket is not None
        self._socket.set_write_buffer_limits(high=0)  # we are told of every byte that the system does not take
        self._server.admit(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        serving = self._task_handler
        is_about_to_begin = self._current_request is None and bool(self._messages)
        super().connection_lost(exc)
        if is_about_to_begin and serving is not None:  # aiohttp would begin, and fail: nobody is there to be answered
            serving.cancel()
        for timer in (self._head_timer, self._unread_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._unread_timer = self._socket = None
        if self._hot is not None:
            self._hot.lost()
            self._hot = None
        if serving is None:
            self.share.release()
        else:  # it has the bytes until it ends: many may leave before any of them gets a turn
            serving.add_done_callback(lambda _: self.share.release())

    def hang_up(self) -> None:
        """Say that nothing more comes. The client closes: were it us, a request on its way would be met by a reset."""
        self.close()
        transport = self.transport
        if transport is not None and not transport.is_closing():
            transport.write_eof()

    def end(self, reason: str) -> None:
        """End it to protect the others, with an answer where the client has not got half of another one."""
        self._server.note_ended(reason)
        transport, refusal = self.transport, _REFUSALS.get(reason)
        if refusal is not None and transport is not None and self._current_request is None and not self._messages:
            transport.write(refusal)
        self.force_close()

    def force_close(self) -> None:
        super().force_close()
        self._await_reading()

    def served(self) -> None:
        """A request of it was answered with success: it is no stranger any more."""
        self._server.strangers.pop(self, None)

    # ------------------------------------------------------------ a client that does not read

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reading()
        self._count_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._server.unread.forget(self)
        transport = self.transport
        if self._unread_timer is not None and transport is not None and not transport.is_closing():
            self._unread_timer.cancel()
            self._unread_timer = None

    def _await_reading(self) -> None:
        if self._unread_timer is None and self._socket is not None:
            self._unread_timer = self._loop.call_later(limits.ANSWER_TIMEOUT_S, self._drop_unread)

    def _count_unread(self) -> None:
        if self._socket is not None:
            self._server.unread.note(self, self._socket.get_write_buffer_size())

    def drop_unread(self) -> None:
        """See `Reader`. Not now: an answer of it may be being written."""
        self._loop.call_soon(self._drop_unread)

    def _drop_unread(self) -> None:
        if self._socket is not None:
            self._server.note_ended("answer_not_read")
            self._socket.abort()

    # ------------------------------------------------------------ what comes

    def data_received(self, data: bytes) -> None:
        if data and self._hot is not None:
            self._hot.receive(data)
        else:  # nothing: aiohttp itself goes on with what it has
            self.feed(data)
        if data:
            self._server.reading.was_read(self)

    def stand_by(self) -> None:
        """See `Readable`."""
        self._stands_by = True
        self._pause_transport_reading()

    def go_on(self) -> None:
        """See `Readable`."""
        self._stands_by = False
        is_full = self._hot is not None and self._hot.is_full
        if not (self._reading_paused or self._buffer_paused or self.share.is_refused or is_full):
            self.resume()

    def resume(self) -> None:
        """See `FullPath`."""
        self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        if not self._stands_by:
            super()._resume_transport_reading()

    def feed(self, data: bytes) -> None:
        """Let the full path take these bytes."""
        if len(data) <= SLICE_BYTES:
            self._feed(data)
            return
        for at in range(0, len(data), SLICE_BYTES):
            self._feed(data[at : at + SLICE_BYTES])
            if self._close or self._force_close:
                return

    def _feed(self, data: bytes) -> None:
        present = self._current_request
        body = self._body if present is None else present.content
        if data and (body is None or body.is_eof()):  # else it is more of that body
            self._begun = self._answered + (1 if present is None else 2)
        if self._force_close or self._close:
            return
        is_head = bool(data) and (self._last_body is None or self._last_body.is_eof())
        head_size = self._head.with_next(data) if is_head else 0
        if head_size > limits.MAX_HEAD_BYTES:
            self.end("head_too_large")
            return
        before = self._request_count
        super().data_received(data)
        if self._request_count > before:
            behind_head = len(data) - (head_size - self._head.size)
            self._look_at_heads(self._request_count - before, behind_head)
        elif not is_head and self._upgrade.more(len(data)):
            self._close = True  # as below
        elif is_head and not self._buffer_paused and not self._force_close:
            self._head.add(data)
            if self._head_timer is None:
                self._head_timer = self._loop.call_later(limits.HEAD_TIMEOUT_S, self.end, "head_timeout")
        if data:
            self._count(len(data))

    def _look_at_heads(self, new: int, behind_head: int) -> None:
        """These requests are new. What aiohttp would read in its own way is refused. `behind_head`: bytes behind the first of their heads."""
        self._head.restart()
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        self._end_broken_body()
        self._last_body = self._messages[-1][1]
        for at in range(len(self._messages) - new, len(self._messages)):
            message = self._messages[at][0]
            if not isinstance(message, _ErrInfo) and (error := error_in(message)):
                self._messages[at] = (error, EMPTY_PAYLOAD)
        last = self._messages[-1][0]
        if not isinstance(last, _ErrInfo) and self._upgrade.begin(last, behind_head, is_alone=new == 1):
            self._close = True  # its own answer is the last one

    def _end_broken_body(self) -> None:
        """A head comes before a body has ended where the parser has given that body up. It tells nobody: its reader would wait."""
        body = self._last_body
        if body is None or body.is_eof():
            return
        self._close = True  # its own answer is the last one
        if body is not self._body:
            body.set_exception(web.RequestPayloadError("the body is not valid HTTP"))
        body.feed_eof()

    def _count(self, size: int) -> None:
        share = self.share
        if not (self._has_half_a_body or self._head.size or self._messages):
            return
        share.hold(size)
        if not share.is_over:
            return
        requests = len(self._messages) + (self._current_request is not None)
        if not requests:
            self.end("too_many_bytes")
        elif requests > 1 or self._head.size:
            self.close()
        elif self._has_half_a_body:  # its reader answers 503; nothing more is taken from the socket
            share.is_refused, self._close = True, True
            self._pause_transport_reading()

    # ------------------------------------------------------------ what is answered

    async def _handle_request(self, request: web.BaseRequest, *args: Any) -> tuple[web.StreamResponse, bool]:
        if self.writing_paused:  # no answer begins while an earlier one is unread
            await self._drain_helper()
        return await super()._handle_request(request, *args)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPException):  # of aiohttp itself, before any handler
            resp = refusal_for(resp)
            self._server.note_refused(resp.status, "http_error", "the request cannot be served")
        resp.headers.setdefault(hdrs.SERVER, SERVER)
        self._answered, self._body = self._answered + 1, request.content
        is_last = self.is_stopping and not self._messages and self._begun <= self._answered
        # A proxy may give up the rest of the body, and begin the next request there.
        is_early = not request.content.is_eof()
        if is_last or is_early or self._close:  # a client that is not told would send its next request into a reset
            resp.force_close()
        if resp.status < 400:
            self.served()
        if not self._messages:
            self.share.release()
            self.share.is_known = False
        done = await super().finish_response(request, resp, start_time)
        if not resp.keep_alive:
            self._await_reading()
        return done

    def step_aside(self) -> None:
        """Let the full path wait for the rest of a request."""
        if self._hot is not None:
            self._hot.step_aside()

    def restart_idle_timer(self) -> None:
        """Wait for the next request as long as for the first one: the hot path has answered one."""
        loop = self._loop
        self._next_keepalive_close_time = loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def _process_keepalive(self) -> None:
        if self._hot is not None and self._hot.is_busy:
            self._keepalive_handle = None  # the answer starts it again
        else:
            super()._process_keepalive()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has been sent in part already")
        if isinstance(exc, BadHttpMessage) or status < 500:
            told = told_of(exc, status)
            response = failure(*told)
            self._server.note_refused(*told)
        else:
            log.error("a request failed", exc_info=exc)
            response = failure(status, "internal_error", "an error of the router; it is in its log")
        response.force_close()
        return response
