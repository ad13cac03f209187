"""Two vendors that answer anything: FakeVendor, a real HTTP server, and bare sockets for what a server would not send."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import suppress
from random import Random
from typing import Any

from router.testing.vendor import Garbage, Hang, Reply, Reset, ShortBody
from tests.flow.fuzz.odd_values import encoded, odd_value, spoiled, spoiled_bytes
from tests.flow.fuzz.wire import Tally

RETRY_AFTER = (
    "0", "1", "2", "-1", "0.5", "1e400", "NaN", "", "x", "99999999999999999999", "86400", "1, 2", "\xff", "Fri, 31 Dec 1999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT", "Sat Feb 30 2026", "Mon, 01 Jan 0001 00:00:00 -2359", "2026-01-01T00:00:00Z", "1;2",
)  # fmt: skip
RESETS = ("X-RateLimit-Reset", "RateLimit-Reset", "X-RateLimit-Remaining", "Retry-After-Ms", "X-Retry-After")
STATUSES = (*range(200, 209), *range(300, 309), *range(400, 432), 451, *range(500, 512), 599, 600, 999)
PLACES = ("/", "http://127.0.0.1:1/", "//x", "javascript:x", "", "http://[", "x" * 9_000)
WORDS: tuple[dict[str, Any], ...] = (
    {"message": "success", "errors": [{"type": "bad", "input_array": "events", "index": 0}], "events_processed": 1},
    {"success": False, "errors": [{"index": 0, "message": "x"}, {"index": 99, "message": "y"}], "status": "failed"},
    {"results": [{"status": 400, "error": {"code": "x"}}, {"status": 200}], "code": 0, "aliases_processed": "1"},
)


def reply(random: Random, tally: Tally) -> Reply:
    """An answer of the real server."""
    kind, answer = _reply(random)
    tally.tried[f"vendor: {kind}"] += 1
    return answer


def _reply(random: Random) -> tuple[str, Reply]:
    drawn, delay_s = random.random(), random.choice((0.0, 0.0, 0.0, 0.05, 0.3))
    if drawn < 0.4:
        return "success", Reply(200, json={}, delay_s=delay_s)
    if drawn < 0.55:
        return "any status", Reply(random.choice(STATUSES[:60]), body=b"no", delay_s=delay_s)
    if drawn < 0.65:
        header = "Retry-After" if random.random() < 0.7 else random.choice(RESETS)
        return "retry after", Reply(
            random.choice((200, 429, 503, 400)), headers={header: random.choice(RETRY_AFTER[:-3])}
        )
    if drawn < 0.7:
        return "redirect", Reply(random.choice((301, 302, 307, 308)), headers={"Location": random.choice(PLACES)})
    if drawn < 0.75:
        return "garbage", Garbage(random.choice((200, 201, 400, 500)))
    if drawn < 0.8:
        return "reset", Reset()
    if drawn < 0.85:
        return "short body", ShortBody()
    if drawn < 0.87:
        return "hang", Hang()
    return "odd words", Reply(random.choice((200, 201, 400, 422)), body=words(random), delay_s=delay_s)


def words(random: Random) -> bytes:
    """What a vendor might say of each item, spoiled."""
    value = random.choice(WORDS) if random.random() < 0.8 else odd_value(random)
    body = encoded(spoiled(random, value), random)
    return spoiled_bytes(random, body) if random.random() < 0.4 else body


class BareVendor:
    """A listening socket whose answers are any bytes."""

    def __init__(self, random: Random, tally: Tally) -> None:
        self._random, self._tally = random, tally
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> BareVendor:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await asyncio.sleep(0.1)  # the answers that are cut end by themselves

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(20.0):
                while await self._one(reader, writer):
                    pass
        self._open.discard(writer)
        writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read a request, or not all of it, and answer. Returns whether the connection stays."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        if self._random.random() < 0.95:
            await reader.readexactly(length)
        kind, data, stays, endless = bare_answer(self._random)
        self._tally.tried[f"vendor, bare: {kind}"] += 1
        writer.write(data)
        await writer.drain()
        until = asyncio.get_running_loop().time() + 4.0
        while endless and asyncio.get_running_loop().time() < until:
            writer.write(endless)
            await writer.drain()
            await asyncio.sleep(0.05)
        return stays


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
HEADS = (
    b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n", b"ICY 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", b"\r\n\r\n\r\n" + OK,
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", b"HTTP/1.1 \xff\xff\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000 + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nzzz", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx", b"HTTP/1.0 200 OK\r\n\r\n{}", b"HTTP/1.1 000 \r\n\r\n", b"HTTP/1.1 304 \r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", b"\x16\x03\x01\x00\x05hello", b"<html>not found</html>",
)  # fmt: skip
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = (
    b"2\r\n{}\r\n0\r\n\r\n",
    b"zz\r\n",
    b"-1\r\n",
    b"2\r\n{}\r\n",
    b"ffffffffffffffffff\r\n",
    b"2\r\n{}0\r\n\r\n",
    b"2" + b";x" * 40_000 + b"\r\n{}\r\n0\r\n\r\n",
)
BOMB = gzip.compress(b" " * 5_000_000)


def bare_answer(random: Random) -> tuple[str, bytes, bool, bytes]:
    """The kind of an answer, its bytes, whether the connection stays, and what is then sent without end."""
    drawn = random.random()
    if drawn < 0.35:
        return "success", OK, True, b""
    if drawn < 0.45:
        status = random.choice(STATUSES)
        return "any status", b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nno" % status, True, b""
    if drawn < 0.55:
        after = random.choice(RETRY_AFTER).encode("latin-1")
        return "retry after", b"HTTP/1.1 429 X\r\nRetry-After: " + after + b"\r\nContent-Length: 0\r\n\r\n", True, b""
    if drawn < 0.62:
        body = words(random)
        return (
            "odd words",
            b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (random.choice((200, 201, 400)), len(body), body),
            True,
            b"",
        )
    return _broken(random)


def _broken(random: Random) -> tuple[str, bytes, bool, bytes]:
    match random.randrange(11):
        case 0:
            return "odd chunks", CHUNKED + random.choice(CHUNKS), random.random() < 0.5, b""
        case 1:
            early = random.choice((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"))
            return "flood of 1xx", early * random.choice((1, 50, 20_000)) + OK, True, b""
        case 2:
            return "endless 1xx", b"", False, b"HTTP/1.1 102 Processing\r\n\r\n" * 200
        case 3:
            return "endless body", b"HTTP/1.1 200 OK\r\n\r\n", False, b"x" * 60_000
        case 4:
            return "endless chunks", CHUNKED, False, b"1000\r\n" + b"y" * 4096 + b"\r\n"
        case 5:
            return "endless head", b"HTTP/1.1 200 OK\r\n", False, b"X-A: b\r\n" * 100
        case 6:
            return "cut", OK[: random.randrange(len(OK))], False, b""
        case 7:
            return "two answers", OK + OK, True, b""
        case 8:
            return "slow drops", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", False, b"z"
        case 9:
            head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB)
            return "gzip bomb", head + BOMB, True, b""
        case _:
            return "odd head", random.choice(HEADS), random.random() < 0.5, b""
