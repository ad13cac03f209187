"""One connection to a vendor: one request at a time, written in one piece; the answer calls back."""

from __future__ import annotations

import asyncio
import ssl as tls
from typing import Any, Protocol, cast

from router.deliver.send.http_answer import AnswerReader
from router.deliver.send.http_client import Fault, Reply
from router.deliver.send.http_dial import tls_fault
from router.deliver.send.http_request import Origin


class Owner(Protocol):
    """Who hands out requests."""

    def answered(self, connection: Connection, waiter: Any, result: Reply | Fault, *, keep: bool) -> None:
        """A request came to its end. `keep`: the connection may carry another one."""
        ...

    def lost(self, connection: Connection, waiter: Any, result: Reply | Fault, *, silent: bool) -> None:
        """The connection has ended. `waiter`: of the request it carried, or None. `silent`: not one byte of answer came."""
        ...


class Connection(asyncio.Protocol):
    """`waiter` is whoever's request is on its way; None while the connection is idle."""

    __slots__ = ("_owner", "_reader", "_transport", "idle_since", "is_reused", "origin", "waiter")

    def __init__(self, owner: Owner, origin: Origin) -> None:
        self._owner = owner
        self._reader = AnswerReader()
        self._transport: asyncio.Transport | None = None
        self.origin = origin
        self.waiter: Any = None
        self.is_reused = False
        self.idle_since = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it may still carry a request."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, waiter: Any, method: str, data: bytes) -> None:
        """Write a request. Its end is told to the owner, never from in here."""
        assert self.waiter is None
        assert self._transport is not None
        self.waiter = waiter
        self._reader.begin(method)
        self._transport.write(data)

    def cut(self) -> None:
        """End the connection at once; nobody is told of its request. TLS, too: `close` waits for the vendor."""
        self.waiter = None
        if self._transport is not None:
            self._transport.abort()

    def give_up(self, why: str) -> Reply | None:
        """Cut it for a time-out. What was read of the answer, if there was a status."""
        reply = self._reader.end(why, clean=False)
        self.cut()
        return reply

    # ------------------------------------------------------------ called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.waiter is None:  # nobody asked: the next answer would be somebody else's
            self.cut()
            return
        result = self._reader.feed(data)
        if result is None:
            return
        assert self._transport is not None
        waiter, self.waiter = self.waiter, None
        # An answer that came before the whole body was sent leaves the rest of the body in the way of the next request.
        keep = self._reader.keeps and not self._transport.get_write_buffer_size() and not self._transport.is_closing()
        if not keep:
            self._transport.abort()
        self._owner.answered(self, waiter, result, keep=keep)

    def connection_lost(self, exc: Exception | None) -> None:
        waiter, self.waiter = self.waiter, None
        result: Reply | Fault = self._last_words(exc) if waiter is not None else Fault("closed", "")
        silent = waiter is not None and not self._reader.raw
        self._reader.release()
        self._transport = None
        self._owner.lost(self, waiter, result, silent=silent)

    def _last_words(self, exc: Exception | None) -> Reply | Fault:
        reply = self._reader.end("the vendor closed the connection" if exc is None else "reset", clean=exc is None)
        if reply is not None:
            return reply
        if isinstance(exc, tls.SSLError):
            return tls_fault(exc, sent=True)
        how = "reset" if exc is not None else "closed"
        partly = "in the middle of the status" if self._reader.raw else "without an answer"
        return Fault("closed", f"the vendor {how} the connection {partly}", sent=True)
