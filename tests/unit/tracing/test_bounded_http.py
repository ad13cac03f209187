"""Whatever a collector answers, an export ends, takes little memory, and is a success only if it was taken."""

from __future__ import annotations

import gzip
import re
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from itertools import chain, repeat

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult

from router.config import TracingConfig
from router.tracing.bounded_http import make_session
from router.tracing.exporting import LastWords, make_exporter
from tests.patience import HANG_S

FAILURE, SUCCESS = SpanExportResult.FAILURE, SpanExportResult.SUCCESS
MIB = 1024 * 1024
MUCH = b"A" * MIB
DROP_S = 0.05
DROPS = int(HANG_S / DROP_S)
Answer = Callable[[], Iterable[bytes]]


class Collector:
    """A server that writes what it is told, until the client goes away."""

    def __init__(self, answer: Answer, pause_s: float) -> None:
        self.answer, self.pause = answer, pause_s
        self.requests: list[bytes] = []
        self._clients: list[socket.socket] = []
        self.over = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for client in self._clients:
            with suppress(OSError):  # it is closed
                client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(HANG_S)

    @property
    def connections(self) -> int:
        return len(self._clients)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._clients.append(client)
                self._threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as incoming, suppress(OSError):
            client.settimeout(HANG_S)
            while incoming.peek(1):  # there is none at the end
                head = b"".join(iter(incoming.readline, b"\r\n"))
                (length,) = re.findall(rb"(?i)content-length: (\d+)", head)
                incoming.read(int(length))
                self.requests.append(head)
                for piece in self.answer():
                    client.sendall(piece)
                    if self.pause and self.over.wait(self.pause):
                        return


@contextmanager
def collector(answer: Answer, pause_s: float = 0.0) -> Iterator[Collector]:
    server = Collector(answer, pause_s)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def heard() -> Iterator[LastWords]:
    words = LastWords()
    words.hear()
    yield words
    words.leave()


def export(server: Collector, timeout: float = HANG_S) -> SpanExportResult:
    exporter = OTLPSpanExporter(f"{server.url}/v1/traces", timeout=timeout, session=make_session())
    try:
        return exporter.export([])
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK has no types there


def head(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def peak_of(work: Callable[[], SpanExportResult]) -> tuple[SpanExportResult, int]:
    """What it returns, and the most memory that was in use for it."""
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def big(status: int) -> Iterable[bytes]:
    return chain([head(f"{status} X", "Content-Length: 1000000000")], repeat(MUCH, 954))


def endless(status: int) -> Iterable[bytes]:
    return chain([head(f"{status} X", "Transfer-Encoding: chunked")], repeat(b"100000\r\n" + MUCH + b"\r\n"))


def bomb(status: int) -> Iterable[bytes]:
    body = packed()
    return [head(f"{status} X", "Content-Encoding: gzip", f"Content-Length: {len(body)}"), body]


@cache
def packed() -> bytes:
    """64 KB that become 64 MB."""
    return gzip.compress(bytes(64 * MIB))


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("answer", [big, endless, bomb], ids=["1 GB", "endless chunks", "a bomb"])
def test_a_huge_body_takes_no_memory_and_its_status_decides(
    answer: Callable[[int], Iterable[bytes]], status: int
) -> None:
    packed()  # takes memory of its own
    with collector(lambda: answer(status)) as server, heard():
        result, peak = peak_of(lambda: export(server))
    assert result is (SUCCESS if status == 200 else FAILURE)
    assert server.connections == 1
    assert peak < 4 * MIB
    assert b"accept-encoding: identity" in server.requests[0].lower()


def test_a_huge_head_takes_no_memory() -> None:
    with collector(lambda: chain([b"HTTP/1.1 100 Continue\r\n\r\n"] * 10_000, [head("200 X")])) as server, heard():
        result, peak = peak_of(lambda: export(server, timeout=1.0))
    assert result is FAILURE
    assert peak < 4 * MIB


DRIPS = {
    "its head": lambda: chain([b"HTTP/1.1 200 OK\r\nX: "], repeat(b"y", DROPS), [b"\r\nContent-Length: 0\r\n\r\n"]),
    "its body": lambda: chain([head("200 OK", f"Content-Length: {DROPS}")], repeat(b"y", DROPS)),
}


@pytest.mark.parametrize("what", DRIPS)
def test_an_answer_that_comes_by_drops_is_a_failure_when_the_time_is_up(what: str) -> None:
    """Without a deadline it would end well, much later."""
    with collector(DRIPS[what], pause_s=DROP_S) as server, heard():
        assert export(server, timeout=0.5) is FAILURE


@pytest.mark.parametrize("status", [301, 304, 307])
def test_a_redirect_is_a_failure_and_not_followed(status: int) -> None:
    with (
        collector(lambda: [head(f"{status} X", "Location: /elsewhere", "Content-Length: 0")]) as server,
        heard() as words,
    ):
        assert export(server) is FAILURE
    assert len(server.requests) == 1
    assert f"answered {status}" in words.masked()
    assert "tracing.endpoint" in words.masked()


def test_a_connection_is_used_again_and_no_cookie_is_kept() -> None:
    answer = head("200 OK", "Set-Cookie: a=b", "Content-Length: 2") + b"ok"
    with collector(lambda: [answer]) as server, closing(make_session()) as session:
        exporter = OTLPSpanExporter(server.url, session=session)
        assert [exporter.export([]) for _ in range(3)] == [SUCCESS] * 3
        assert not session.cookies
    assert (server.connections, len(server.requests)) == (1, 3)
    assert b"cookie" not in server.requests[-1].lower()


def test_the_exporter_of_the_daemon_is_bounded() -> None:
    with collector(lambda: [head("307 X", "Content-Length: 0")]) as server, heard() as words:
        exporter = make_exporter(TracingConfig(endpoint=f"{server.url}/v1/traces"))
        assert exporter.export([]) is FAILURE
        exporter.shutdown()
    assert "a redirect" in words.masked()


def test_an_http_proxy_is_used_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    packed()  # takes memory of its own
    with collector(lambda: bomb(200)) as server, heard():
        monkeypatch.setenv("http_proxy", server.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        exporter = OTLPSpanExporter("http://collector.example/v1/traces", session=make_session())
        result, peak = peak_of(lambda: exporter.export([]))
        exporter.shutdown()  # type: ignore[no-untyped-call]
    assert result is SUCCESS
    assert server.requests[0].startswith(b"POST http://collector.example/v1/traces ")
    assert peak < 4 * MIB
