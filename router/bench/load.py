"""The load generator: keep-alive connections, each with one request on its way. A bare protocol, since a client library
would be the slower side. Runs in a process of its own."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import cast

import msgspec

from router.bench.measure import foreign_share, percentile, read_usage
from router.bench.workload import Workload, request_maker

LAST_ANSWERS_S = 60.0


class Load(msgspec.Struct, frozen=True):
    """One run against one server."""

    port: int
    workload: Workload
    connections: int
    seconds: float
    warm_up_s: float
    pid: int  #: the server's, whose usage is read
    own: tuple[int, ...] = ()  #: all processes of this run but the generator


class Loaded(msgspec.Struct, frozen=True):
    """What came of it. Rates and latencies are of the time after the warm-up, counts are of all of it."""

    began_at: float  #: on the machine's monotonic clock
    seconds: float
    requests: int
    events: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    cpu_s: float
    written: int
    foreign: float
    generator_share: float
    answered: int  #: events that got a 200, repeated ones too
    repeated: int  #: of these, how many repeat a message id
    refused: dict[str, int]  #: other answers, by status
    unanswered: int  #: events whose fate is unknown

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds if self.seconds else 0.0

    @property
    def rate_per_cpu(self) -> float:
        """Events a second of the server's processor time."""
        return self.events / self.cpu_s if self.cpu_s else 0.0


class Generator:
    """Keeps the connections busy until the time or the requests are over."""

    def __init__(self, load: Load, own_pid: int) -> None:
        self._load, self._own = load, (*load.own, own_pid)
        self._make = request_maker(load.workload)
        self._left = load.workload.requests
        self._stopping = self._measuring = False
        self._open: set[_Connection] = set()
        self._idle = asyncio.Event()
        self._pid = own_pid
        self.statuses: Counter[str] = Counter()
        self.unanswered = 0
        self.took: list[float] = []

    async def run(self) -> Loaded:
        """Send for as long as asked, wait for the last answers, and count."""
        load, loop, began_at = self._load, asyncio.get_running_loop(), time.monotonic()
        for _ in range(load.connections):
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", load.port)
        if self._left is None:
            await asyncio.sleep(load.warm_up_s)
        self._measuring = True
        before = read_usage(load.pid, self._own)
        own_before = read_usage(self._pid, ())
        await (asyncio.sleep(load.seconds) if self._left is None else self._idle.wait())
        after = read_usage(load.pid, self._own)
        own_after = read_usage(self._pid, ())
        self._measuring, self._stopping = False, True
        async with asyncio.timeout(LAST_ANSWERS_S):
            await self._idle.wait()
        elapsed, took = after.at - before.at, sorted(self.took)
        events, good = load.workload.events, self.statuses.pop("200", 0)
        return Loaded(
            began_at=began_at,
            seconds=elapsed, requests=len(took), events=events * len(took),
            p50_ms=1000 * percentile(took, 0.5), p99_ms=1000 * percentile(took, 0.99), p999_ms=1000 * percentile(took, 0.999),
            cpu_s=after.cpu_s - before.cpu_s, written=after.written - before.written, foreign=foreign_share(before, after),
            generator_share=(own_after.cpu_s - own_before.cpu_s) / elapsed,
            answered=good * events, repeated=good * load.workload.repeated,
            refused=dict(self.statuses), unanswered=self.unanswered * events,
        )  # fmt: skip

    def next_request(self) -> bytes | None:
        """The next request to send; None: no more."""
        if self._stopping or self._left == 0:
            return None
        if self._left is not None:
            self._left -= 1
        return self._make()

    def answered(self, status: str, seconds: float) -> None:
        """An answer came."""
        self.statuses[status] += 1
        if self._measuring and status == "200":
            self.took.append(seconds)

    def opened(self, connection: _Connection) -> None:
        """A connection stands."""
        self._open.add(connection)

    def closed(self, connection: _Connection, *, waiting: bool) -> None:
        """A connection has nothing more to do, or broke with a request on its way."""
        self.unanswered += waiting
        self._open.discard(connection)
        if not self._open:
            self._idle.set()


class _Connection(asyncio.Protocol):
    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._buffer = b""
        self._sent_at = 0.0
        self._waiting = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._generator.opened(self)
        self._send()

    def _send(self) -> None:
        request = self._generator.next_request()
        self._waiting = request is not None
        if request is None:
            self._transport.close()
        else:
            self._sent_at = time.perf_counter()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or len(self._buffer) < end + 4 + content_length(self._buffer[:end]):
            return
        status, self._buffer = self._buffer[9:12].decode(), b""
        self._generator.answered(status, time.perf_counter() - self._sent_at)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._generator.closed(self, waiting=self._waiting)


def content_length(head: bytes) -> int:
    """The length of the body that a head announces; 0 without."""
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
