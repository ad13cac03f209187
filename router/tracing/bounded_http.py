"""The way to the collector, for the exporter of the SDK: requests, with an end to what an answer may take of time and memory.

By itself requests reads and inflates a whole body, whatever its length, and its time-out begins again with each byte.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Mapping
from contextvars import ContextVar
from http.client import HTTPException, HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError

MAX_ANSWER = 64 * 1024
"""Bytes of an answer with its headers and its framing. An honest one has some hundred."""
_PIECE = 16 * 1024
_ENDS_AT: ContextVar[float] = ContextVar("ends_at")  #: of the request that this thread makes, in monotonic time


def _left() -> float:
    left = _ENDS_AT.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class _Incoming(io.RawIOBase):
    """What comes from the socket, up to the end of time or of MAX_ANSWER."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock, self._file, self._room = sock, sock.makefile("rb", buffering=0), MAX_ANSWER

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if not self._room:
            raise OSError(f"the answer is longer than {MAX_ANSWER} bytes")
        self._sock.settimeout(_left())
        count = self._file.readinto(memoryview(buffer)[: self._room])
        self._room -= count or 0
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Incoming(sock))


class _Connection(HTTPConnection):
    response_class = _Answer

    def _new_conn(self) -> socket.socket:
        self.timeout = _left()
        sock = super()._new_conn()
        sock.settimeout(_left())  # for the handshake of TLS
        return sock

    def send(self, data: Any) -> None:
        """Each part of the request has the time that is left, as its answer has."""
        if self.sock is None:
            self.connect()
        self.sock.settimeout(_left())
        super().send(data)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


_BOUNDED: Mapping[Any, Any] = {HTTPConnection: _Connection, HTTPSConnection: _TlsConnection}


class _Adapter(HTTPAdapter):
    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        """Each connection that is made there is a bounded one, also to a proxy."""
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        if (kind := _BOUNDED.get(type(pool).ConnectionCls)) is None:
            raise requests.exceptions.InvalidSchema(
                "spans cannot go through a SOCKS proxy: name an HTTP proxy, or none"
            )
        pool.ConnectionCls = kind
        return pool

    def send(
        self, request: requests.PreparedRequest, stream: bool = True, timeout: Any = None, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send, within `timeout` seconds from here to the end of the answer."""
        _ENDS_AT.set(time.monotonic() + timeout)
        whole: Any = Timeout(total=timeout)
        response = super().send(request, stream, whole, *args, **kwargs)
        self._read(response)
        if 300 <= response.status_code < 400:  # the SDK would take it for a success
            raise requests.exceptions.HTTPError(
                f"the collector answered {response.status_code}, a redirect, which is not followed: "
                "write the address it leads to into tracing.endpoint"
            )
        return response

    def _read(self, response: requests.Response) -> None:
        """Read what there is of the body and forget it, so that the connection can be used again. It is never inflated. If there is too
        much of it, the connection ends, and the status decides."""
        try:
            while response.raw.read(_PIECE, decode_content=False):
                pass
        except ReadTimeoutError as error:
            response.raw.close()
            raise requests.exceptions.ReadTimeout("the answer of the collector did not end in time") from error
        except (HTTPError, HTTPException, OSError):
            response.raw.close()


class _Session(requests.Session):
    def merge_environment_settings(self, url: str, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """The authority that was named for spans counts; by itself requests prefers the one of REQUESTS_CA_BUNDLE."""
        named = self.verify if verify is None and isinstance(self.verify, str) else verify
        return super().merge_environment_settings(url, proxies, stream, named, cert)


def make_session() -> requests.Session:
    """What the exporter sends with. It keeps no cookie: their number has no end."""
    session = _Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["Accept-Encoding"] = "identity"
    session.stream = True  # the body is read here, not by requests
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session
