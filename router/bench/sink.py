"""The vendor of the benchmark: answers at once, late or never well, and counts what arrived. A bare protocol.

Paths say how it answers: /ok/NAME with 200, /slow/NAME with 200 after 200 ms, /fail/NAME with 503; GET /stats tells all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

import msgspec

from router.bench.load import content_length
from router.bench.measure import percentile

SLOW_S = 0.2


class Arrived(msgspec.Struct):
    """What one destination sent. `accepted`: items that got a 200; ages are from the router's receipt of an event."""

    requests: int = 0
    accepted: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0


class Sink:
    """Counts by the last part of the path."""

    def __init__(self) -> None:
        self._arrived: dict[str, Arrived] = {}
        self._ages: dict[str, list[float]] = {}

    def receive(self, path: str, head: bytes, body: bytes) -> tuple[bytes, float]:
        """The answer to one request, and after how many seconds it goes out."""
        if path == "/stats":
            return answer("200 OK", msgspec.json.encode(self.stats())), 0.0
        _, manner, name = path.split("/")
        arrived = self._arrived.setdefault(name, Arrived())
        arrived.requests += 1
        if manner == "fail":
            return answer("503 Service Unavailable"), 0.0
        arrived.accepted += int(_header(head, b"x-items:") or b"0")
        now = time.time() * 1000
        self._ages.setdefault(name, []).extend(now - int(at) for at in _header(head, b"x-received:").split())
        return answer("200 OK"), SLOW_S if manner == "slow" else 0.0

    def stats(self) -> dict[str, Arrived]:
        """What has arrived so far."""
        for name, arrived in self._arrived.items():
            ages = sorted(self._ages.get(name, []))
            arrived.p50_ms, arrived.p99_ms = percentile(ages, 0.5), percentile(ages, 0.99)
        return self._arrived


Answer = Callable[[str, bytes, bytes], tuple[bytes, float] | None]
"""From path, head and body of a request: the answer, and after how many seconds it goes out; None: never."""


class Connection(asyncio.Protocol):
    """One connection of a server that answers like this."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            size = end + 4 + content_length(head)
            if len(self._buffer) < size:
                return
            body, self._buffer = self._buffer[end + 4 : size], self._buffer[size:]
            said = self._answer(head.split(b" ", 2)[1].decode(), head, body)
            if said is not None and said[1]:
                asyncio.get_running_loop().call_later(said[1], self._transport.write, said[0])
            elif said is not None:
                self._transport.write(said[0])


def _header(head: bytes, name: bytes) -> bytes:
    at = head.lower().find(name)
    return head[at + len(name) :].split(b"\r\n", 1)[0].strip() if at >= 0 else b""


def answer(status: str, body: bytes = b"{}", more: str = "") -> bytes:
    """A response. `more`: further headers, each with its line end."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
