"""Opens one connection: name, TCP, TLS. Says in an operator's words what went wrong."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl as tls
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from aiohappyeyeballs import start_connection

from router.deliver.send.http_client import Fault
from router.deliver.send.http_request import Origin
from router.deliver.send.http_resolver import Resolver

HAPPY_EYEBALLS_DELAY_S = 0.25
BROKE_OFF = "the vendor broke off the TLS handshake"
P = TypeVar("P", bound=asyncio.Protocol)


class Dial(Generic[P]):
    """One connection that is being opened, for whoever waits for it."""

    __slots__ = ("_cutter", "_factory", "_has_socket", "_origin", "_resolver", "_ssl", "stage", "task")

    def __init__(
        self, origin: Origin, resolver: Resolver, ssl: Callable[[], tls.SSLContext], factory: Callable[[], P]
    ) -> None:
        self._origin, self._resolver, self._ssl, self._factory = origin, resolver, ssl, factory
        self._has_socket = False
        self._cutter: socket.socket | None = (
            None  #: of its own: the number of the transport's may be another one's by then
        )
        self.stage = "the name look-up"  #: for the words of a time-out
        self.task: asyncio.Task[P] = asyncio.get_running_loop().create_task(self._open(), name="dial")

    def cut(self) -> None:
        """End it now. A handshake ends by way of its socket: cancelling it leaks the connection under uvloop."""
        if not self._has_socket:
            self.task.cancel()
        elif self._cutter is not None:
            with suppress(OSError):
                self._cutter.shutdown(socket.SHUT_RDWR)

    async def _open(self) -> P:
        """Raises Fault."""
        scheme, host, port = self._origin
        infos = await self._resolver.resolve(host, port)
        self.stage = "the connection"
        loop = asyncio.get_running_loop()
        try:
            ssl = self._ssl() if scheme == "https" else None
            found = await start_connection(infos, happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY_S, interleave=1, loop=loop)
        except tls.SSLError as error:
            raise tls_fault(error) from None
        except (OSError, RuntimeError) as error:  # RuntimeError: uvloop raises it for some addresses
            self._resolver.forget(host)
            raise connect_fault(error) from None
        self._has_socket = True
        if ssl is not None:
            self.stage, self._cutter = "the TLS handshake", found.dup()
        try:
            name = host if ssl is not None else None
            _, protocol = await loop.create_connection(self._factory, sock=found, ssl=ssl, server_hostname=name)
        except (OSError, RuntimeError) as error:
            raise (connect_fault(error) if ssl is None else tls_fault(error)) from None
        finally:
            # The transport closes the socket. uvloop forgets to tell the socket so where the connection ends very early: its
            # number would be closed a second time, when it is another connection's.
            if not isinstance(loop, asyncio.BaseEventLoop):
                found.detach()
            if self._cutter is not None:
                self._cutter.close()
        return protocol


def connect_fault(error: OSError | RuntimeError) -> Fault:
    """What it means that no connection came about."""
    if getattr(error, "errno", None) == errno.ECONNREFUSED:
        return Fault("refused", "connection refused: nothing listens there")
    return Fault("connect", f"no connection: {getattr(error, 'strerror', None) or error}")


def tls_fault(error: BaseException, *, sent: bool = False) -> Fault:
    """What it means that TLS failed. Names, not codes: the vendor's certificate is what an operator can look at."""
    if isinstance(error, tls.SSLCertVerificationError):
        return Fault("tls", error.verify_message or str(error), sent=sent)
    if isinstance(error, tls.SSLError) and error.reason:
        return Fault("tls", error.reason, sent=sent)
    return Fault("tls", BROKE_OFF, sent=sent)
