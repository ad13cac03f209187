"""The hot path of one connection: requests in one piece or several, one after the other, each answered before the next."""

from __future__ import annotations

import asyncio
from typing import Protocol

from router.errors import StoreClosed
from router.ingest import limits
from router.ingest.hot_path import HotPath
from router.ingest.received_bytes import Share
from router.ingest.request_head import Request

MAX_BEHIND_BYTES = 64 * 1024
"""Of what is sent behind a request that is being stored; reading stops there until it is answered."""


class FullPath(Protocol):
    """A connection as aiohttp serves it."""

    transport: asyncio.Transport | None
    share: Share

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a request, and nothing of one is here."""
        ...

    @property
    def is_stopping(self) -> bool:
        """Whether each answer that is the last one on its connection has to end it."""
        ...

    @property
    def writing_paused(self) -> bool:
        """Whether the client does not read its answers."""
        ...

    def feed(self, data: bytes) -> None:
        """Take bytes that begin with a request, or go on with one."""
        ...

    def restart_idle_timer(self) -> None:
        """An answer was written."""
        ...

    def served(self) -> None:
        """A request was answered with success."""
        ...

    def resume(self) -> None:
        """Read on: what came behind a request has been taken."""
        ...

    def force_close(self) -> None:
        """Close once what was written is sent."""
        ...


class HotConnection:
    """The hot path of one connection: it waits for a request, reads the body of one, or stores one."""

    __slots__ = (
        "_behind",
        "_full",
        "_is_known",
        "_is_last",
        "_is_storing",
        "_pieces",
        "_reading",
        "_remote",
        "_shared",
        "_size",
        "_source",
        "_timer",
    )

    def __init__(self, shared: HotPath, full: FullPath) -> None:
        self._shared, self._full = shared, full
        self._remote: str | None = None
        self._reading: Request | None = None  #: whose body is not here in full
        self._pieces: list[bytes] = []
        self._size = 0  #: of the pieces
        self._timer: asyncio.TimerHandle | None = None
        self._is_storing = False
        self._is_known = False  #: whether a request of it has been answered with success
        self._is_last = False  #: whether the connection ends with the next answer: what came after it found no room
        self._source = ""  #: of the request that is being stored
        self._behind = b""  #: what came after it

    @property
    def is_storing(self) -> bool:
        """Whether a request is being stored here."""
        return self._is_storing

    @property
    def is_busy(self) -> bool:
        """Whether a request is being read or stored here."""
        return self._is_storing or self._reading is not None

    @property
    def is_full(self) -> bool:
        """Whether so much has come behind a request that no more is read until it is stored."""
        return len(self._behind) >= MAX_BEHIND_BYTES

    def receive(self, data: bytes) -> None:
        """Bytes have come."""
        if self._is_storing:
            self._keep_behind(data)
        elif self._reading is not None:
            self._pieces.append(data)
            self._size += len(data)
            if self._size >= self._reading.end:
                self._go_on(self._stop_reading())
            else:
                self._hold(len(data))
        else:
            self._go_on(data)

    def step_aside(self) -> None:
        """Let the full path read on where a body is not here in full: it is slow, or the daemon stops."""
        if self._reading is not None:
            self._full.feed(self._stop_reading())

    def cut(self) -> None:
        """The listener ends: answer what is being stored now. It may be stored in the end."""
        self._stored(StoreClosed())

    def lost(self) -> None:
        """The connection is gone. What is being stored goes on."""
        if self._reading is not None:  # else the bytes that count are those of the full path
            self._stop_reading()
        self._behind = b""

    def _go_on(self, data: bytes) -> None:
        """Take the requests that these bytes hold, until one has to be waited for."""
        shared, full = self._shared, self._full
        while data and not self._is_storing:
            request = shared.heads.read(data) if full.is_waiting and self._may_take() else None
            if request is None:
                full.feed(data)
                return
            if len(data) < request.end:
                if shared.knows(request.head):
                    self._start_reading(request, data)
                else:  # it is refused before its body is here
                    full.feed(data)
                return
            if not self._take(request, data[request.body_at : request.end]):
                full.feed(data)
                return
            data = data[request.end :]
        if data:
            self._keep_behind(data)

    def _may_take(self) -> bool:
        in_flight, full = self._shared.in_flight, self._full
        return not (in_flight.is_full or in_flight.is_cut or full.is_stopping or full.writing_paused)

    def _start_reading(self, request: Request, data: bytes) -> None:
        self._reading, self._pieces, self._size = request, [data], len(data)
        self._timer = asyncio.get_running_loop().call_later(limits.PIECES_TIMEOUT_S, self.step_aside)
        self._full.share.is_known = bool(request.head.key)
        self._hold(len(data))

    def _hold(self, size: int) -> None:
        share = self._full.share
        share.hold(size)
        if share.is_over:
            self.step_aside()  # the full path refuses it

    def _stop_reading(self) -> bytes:
        """No more of a body is awaited; returns what has come of its request."""
        if self._timer is not None:
            self._timer.cancel()
        data = b"".join(self._pieces)
        self._reading, self._pieces, self._size, self._timer = None, [], 0, None
        self._full.share.release()
        return data

    def _take(self, request: Request, body: bytes) -> bool:
        """Store the calls of a request. False: the full path has to decide."""
        if self._remote is None:
            self._remote = _remote(self._full.transport)
        admitted = self._shared.admit(request.head, body, self._remote)
        if admitted is None:
            return False
        self._source = admitted.source
        if not (admitted.calls or admitted.discards):
            self._answer(0)
            return True
        self._is_storing = True
        self._shared.in_flight.storing.add(self)
        try:
            self._shared.admission.store_soon(admitted, self._stored, request.traceparent)
        except Exception as error:
            self._end_storing()
            self._answer(error)
        return True

    def _stored(self, result: Exception | int) -> None:
        if not self._is_storing:  # it was cut, and is answered
            return
        self._end_storing()
        self._answer(result)
        data, self._behind = self._behind, b""
        if data:
            self._full.share.release()
            if len(data) >= MAX_BEHIND_BYTES:
                self._full.resume()
            self._go_on(data)

    def _end_storing(self) -> None:
        self._is_storing = False
        self._shared.in_flight.storing.discard(self)

    def _answer(self, result: Exception | int) -> None:
        shared, full = self._shared, self._full
        is_last = self._is_last or (full.is_stopping and not self._behind)
        status, response = shared.responses.render(result, closing=is_last)
        shared.metrics.request(self._source, status)
        transport = full.transport
        if transport is None or transport.is_closing():
            return
        transport.write(response)
        if not self._is_known and not isinstance(result, Exception):
            self._is_known = True
            full.served()
        if is_last:
            full.force_close()
        else:
            full.restart_idle_timer()

    def _keep_behind(self, data: bytes) -> None:
        if self._is_last:
            return
        share = self._full.share
        share.hold(len(data))
        if share.is_over:
            self._is_last, self._behind = True, b""
            share.release()
            return
        was_full = self.is_full
        self._behind += data
        if self.is_full and not was_full and self._full.transport is not None:
            self._full.transport.pause_reading()


def _remote(transport: asyncio.Transport | None) -> str:
    """The address at the other end, as `web.BaseRequest.remote` gives it."""
    peer = transport.get_extra_info("peername") if transport is not None else None
    if isinstance(peer, (list, tuple)):
        return str(peer[0])
    return str(peer or "")
