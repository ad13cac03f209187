"""Sockets to the daemon: what is sent, what is read, what was answered; and the counts of what was tried."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random
from typing import NamedTuple

from tests.flow.harness import AUTHORIZATION

CREDENTIALS = f"Authorization: {AUTHORIZATION['Authorization']}"
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
MAX_READ = 64 * 1024


class Target(NamedTuple):
    """The two listeners."""

    port: int
    admin_port: int

    def any(self, random: Random) -> int:
        """One of them."""
        return random.choice((self.port, self.port, self.admin_port))


class Tally:
    """What was tried, by kind, and what was answered, by status."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()


Part = Callable[[Random, Target, Tally], Awaitable[None]]
"""One attack of one kind."""


async def attack(part: Part, random: Random, target: Target, tally: Tally, seconds: float, gap_s: float) -> None:
    """Attack again and again until the time is over, with random waits of `gap_s` on the average."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(OSError, TimeoutError):
            await part(random, target, tally)
        await asyncio.sleep(random.expovariate(1 / gap_s))


async def talk(port: int, pieces: Sequence[bytes], tally: Tally, *, gap_s: float = 0.0, read_s: float = 1.0) -> None:
    """Send the pieces on a connection of its own, read for at most `read_s`, and leave without a farewell."""
    received = bytearray()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(read_s + gap_s * len(pieces)):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if gap_s:
                    await asyncio.sleep(gap_s)
            while len(received) < MAX_READ and (more := await reader.read(MAX_READ)):
                received += more
    except (OSError, TimeoutError):
        pass
    finally:
        writer.transport.abort()
    statuses = STATUS.findall(received)
    tally.answers.update(status.decode() for status in statuses or [b"none"])


def in_pieces(random: Random, request: bytes, most: int = 8) -> list[bytes]:
    """The same bytes, cut at random places."""
    cuts = sorted(random.randrange(len(request) + 1) for _ in range(random.randrange(most)))
    return [request[start:end] for start, end in zip([0, *cuts], [*cuts, len(request)], strict=True)]


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A well-formed POST with the write key, whose connection ends with it."""
    lines = [
        f"POST {path} HTTP/1.1", "Host: 127.0.0.1", CREDENTIALS, "Content-Type: application/json",
        f"Content-Length: {len(body)}", "Connection: close", *headers,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body
