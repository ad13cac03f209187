"""A vendor that sends for as long as it may: what is read of it is bounded, and everybody else has turns meanwhile."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from router.deliver.send.aiohttp_head import HeadReader
from router.deliver.send.http_answer import MAX_RAW_BODY, AnswerReader
from router.deliver.send.http_client import MAX_HEAD, Fault, Reply
from router.plugin import Request
from tests.contract.http_client.conftest import Opens

CONNECTIONS = 10
ONE_READ = 256 * 1024
"""As much as the loops read at once."""
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FLOODS = {
    "1xx": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 400, MAX_HEAD),
    "1xx with headers": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: <%s>\r\n\r\n" % (b"x" * 500), MAX_HEAD),
    "a 1xx without an end": (b"HTTP/1.1 103 Early Hints\r\n", b"Link: x\r\n" * 1000, MAX_HEAD),
    "a status line": (b"HTTP/1.1 200 ", b"x" * 8192, MAX_HEAD),
    "a header": (b"HTTP/1.1 200 OK\r\nA: ", b"x" * 8192, MAX_HEAD),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"A: 1\r\n" * 1000, MAX_HEAD),
    "a body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 8192, MAX_RAW_BODY),
    "chunks": (CHUNKED, b"2000\r\n%s\r\n" % (b"x" * 8192), MAX_RAW_BODY),
    "chunks of one byte": (CHUNKED, b"1\r\nx\r\n" * 1000, MAX_RAW_BODY),
    "a chunk extension": (CHUNKED + b"1;", b"x" * 8192, MAX_RAW_BODY),
    "trailers": (CHUNKED + b"0\r\n", b"A: 1\r\n" * 1000, MAX_RAW_BODY),
}


class Flooder:
    """A server in threads of its own: it answers each connection without an end, until the client cuts it."""

    def __init__(self, first: bytes, then: bytes) -> None:
        self._first, self._then = first, then
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._threads: list[threading.Thread] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve until the context ends; by then every client has to have cut its connection."""
        accepting = threading.Thread(target=self._accept)
        accepting.start()
        try:
            yield
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            for thread in (accepting, *self._threads):
                thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._flood, args=(connection,)))
                self._threads[-1].start()

    def _flood(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(self._first)
            while True:
                connection.sendall(self._then)


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_is_cut_at_a_bound_and_another_coroutine_has_turns_in_between(
    flood: str, make: str, opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, then, most = FLOODS[flood]
    read: Counter[Any] = Counter()  # bytes by reader, one for each connection
    most_at_once = turns = 0
    reader: Any = AnswerReader if make == "httptools" else HeadReader
    feed = reader.feed

    def counted(self: Any, data: bytes) -> Any:
        nonlocal most_at_once
        read[self] += len(data)
        most_at_once = max(most_at_once, len(data))
        return feed(self, data)

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(reader, "feed", counted)
    vendor = Flooder(first, then)
    with vendor.running():
        client = opens(30.0)
        beside = asyncio.ensure_future(other())
        sends = (client.send(Request(vendor.url, body=b"{}")) for _ in range(CONNECTIONS))
        results = await asyncio.gather(*sends, return_exceptions=True)
        beside.cancel()
        await client.close()
    for result in results:
        if isinstance(result, Reply):
            assert result.status == 200
        else:
            assert isinstance(result, Fault)
            assert result.reason == "protocol"
    if flood != "a status line":  # one makes of it what was read, the other a fault
        assert {type(result) for result in results} == {Reply if b"200 OK" in first else Fault}
    assert len(read) == CONNECTIONS
    assert max(read.values()) <= most + 2 * ONE_READ  # the one with the end of the head, and the one beyond the bound
    assert most_at_once <= ONE_READ
    assert turns > 1
