"""A proxy between a client library and the daemon that fails on purpose: each fault once, then everything passes.

async with Relay(daemon.url, ["lost answer"]) as relay:
    drive(relay.url)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

FAULTS = ("429", "500", "dropped connection", "lost answer")
"""429: refused before the daemon. 500: said after the daemon has stored it. Dropped: closed before the daemon has it.
Lost: closed after the daemon has answered."""

BODY = b'{"success": false, "code": "relay", "message": "on purpose", "error": "on purpose"}'
ANSWERS = {"429": b"429 Too Many Requests\r\nRetry-After: 1", "500": b"500 Internal Server Error"}


class Relay:
    """Listens on loopback. `faults` meet the first requests, one each, in this order."""

    def __init__(self, target: str, faults: Sequence[str]) -> None:
        self.met: list[str] = []  #: the faults that requests have met
        self.passed = 0  #: how many requests the daemon has answered
        self._target = urlsplit(target)
        self._faults = list(faults)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A request a connection: so no library can take a closed one for an idle one.
            request = await message(reader)
            fault = self._faults.pop(0) if request.startswith(b"POST") and self._faults else ""
            if fault:
                self.met.append(fault)
            answer = b"" if fault in ("429", "dropped connection") else await self._forward(request)
            if fault in ANSWERS:
                head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\n" % ANSWERS[fault]
                answer = head + b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
            elif fault:
                answer = b""
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _forward(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        writer.write(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.1 200"), answer
        self.passed += 1
        return answer


async def message(reader: asyncio.StreamReader) -> bytes:
    """The next HTTP request, as it came but for its Connection header; bodies have a length or are chunked."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    fields = {line.lower().partition(b":")[0]: line.partition(b":")[2].strip() for line in lines}
    body = b""
    if b"content-length" in fields:
        body = await reader.readexactly(int(fields[b"content-length"]))
    elif fields.get(b"transfer-encoding", b"").lower() == b"chunked":
        while not body.endswith(b"0\r\n\r\n"):
            body += await reader.readuntil(b"\r\n")
    return b"\r\n".join(lines) + body
