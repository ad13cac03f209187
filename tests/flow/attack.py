"""Hostile clients of one listener, each kind holding what it has taken for as long as the attack lasts."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

AGAIN_S = 0.5
"""A client that was refused comes again after this."""


class Size(NamedTuple):
    """How many clients of each kind there are. `seconds`: how long the attack lasts."""

    idle: int
    bodies: int
    heads: int
    bombs: int
    admin: int
    seconds: float


def post(path: str, body: bytes, *headers: str, length: int = 0) -> bytes:
    """A request; `length` where the head promises more than `body`."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {length or len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


BOMB = gzip.compress(b"[" + b"1," * 2_000_000 + b"1]")
BATCH_BOMB = gzip.compress(b'{"batch":[' + b"1," * 290_000 + b"1]}")
HEAD = b"POST /v1/track HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 8_000) for n in range(100))


class Attack:
    """An attack on the two ports of a daemon, from one process."""

    def __init__(self, port: int, admin_port: int, key: str, size: Size) -> None:
        self._port, self._admin_port, self._key, self._size = port, admin_port, key, size
        self._open: list[asyncio.StreamWriter] = []
        self._until = time.monotonic() + size.seconds

    async def run(self) -> None:
        """Attack in all ways at once; returns when it is over, with every connection closed."""
        size = self._size
        kinds: list[Callable[[], Awaitable[None]]] = [
            *[self._idle] * 8,
            *[self._unfinished_body] * size.bodies,
            *[self._endless_head] * size.heads,
            *[self._bomb] * size.bombs,
            *[self._half_head_for_admin] * size.admin,
            self._junk_batches,
        ]
        await asyncio.gather(*(kind() for kind in kinds))
        for writer in self._open:
            writer.transport.abort()

    async def _send(self, request: bytes, port: int = 0) -> None:
        """Send this on a connection of its own, and hold it for as long as the other side lets us."""
        with suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port or self._port)
            try:
                writer.write(request)
                async with asyncio.timeout(max(0.0, self._until - time.monotonic())):
                    await writer.drain()
                    while await reader.read(65_536):
                        pass
            finally:
                writer.transport.abort()

    async def _again(self, request: bytes, port: int = 0) -> None:
        while time.monotonic() < self._until:
            await self._send(request, port)
            await asyncio.sleep(AGAIN_S)

    async def _idle(self) -> None:
        for _ in range(self._size.idle // 8):
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                self._open.append(writer)
            if time.monotonic() > self._until:
                return

    async def _unfinished_body(self) -> None:
        size = 600 * 1024
        await self._again(post("/v1/batch", b"x" * (size - 1), length=size))

    async def _endless_head(self) -> None:
        await self._again(HEAD)

    async def _half_head_for_admin(self) -> None:
        await self._again(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ", self._admin_port)

    async def _bomb(self) -> None:
        requests = (
            post("/v1/webhook", BOMB, "Content-Encoding: gzip", "Connection: close"),
            post("/v1/batch", BATCH_BOMB, "Content-Encoding: gzip", "Connection: close"),
        )
        while time.monotonic() < self._until:
            for request in requests:
                await self._send(request)

    async def _junk_batches(self) -> None:
        """With the key that every page shows: at a source with a rate, whose others must not be locked out."""
        body = json.dumps({"batch": [1] * 100_000, "writeKey": self._key}).encode()
        await self._again(post("/v1/batch", body, "Connection: close"))
