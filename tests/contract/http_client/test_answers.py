"""What a vendor may answer, and what a client makes of it: a status that was read decides."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any, NamedTuple

import pytest

from router.deliver.send.http_client import MAX_BODY, MAX_HEADERS, Client, Fault, Reply
from router.plugin import Request
from tests.contract.http_client.conftest import Opens, Vends
from tests.contract.http_client.raw_vendor import Leave, Script, Visit, says

OK = b"HTTP/1.1 200 OK\r\n"
KB = 1024
GZIP = gzip.compress(b"{}" * 50)


def sized(body: bytes, head: bytes = OK) -> bytes:
    """An answer with its Content-Length."""
    return b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


class Case(NamedTuple):
    """An answer; the status and body that come of it, or the fault. `aiohttp`: what comes of it there, where that differs:
    "status" (the same status, but the body may be lost), "any" (no status: how it fails depends on aiohttp's version)."""

    name: str
    script: Script
    status: int | str
    body: bytes | None = b"ok"
    trouble: bool = False
    aiohttp: str | None = None
    timeout_s: float = 5.0


def for_ever(*first: bytes, then: bytes) -> Script:
    """An answer that does not end."""

    async def script(visit: Visit) -> None:
        for piece in first:
            await visit.say(piece)
        await visit.say_for_ever(then)

    return script


def holds(*pieces: bytes) -> Script:
    """An answer in the middle of which the vendor falls asleep."""

    async def script(visit: Visit) -> None:
        for piece in pieces:
            await visit.say(piece)
        await visit.until_left()

    return script


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CASES = (
    Case("whole", says(sized(b"ok")), 200),
    Case("byte by byte", says(*(bytes([byte]) for byte in sized(b"ok"))), 200),
    Case("no reason phrase", says(sized(b"ok", b"HTTP/1.1 200\r\n")), 200),
    Case("chunked", says(CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n"), 200),
    Case("until the end of the connection", says(OK + b"\r\nok", leave=True), 200),
    Case("HTTP/1.0", says(b"HTTP/1.0 200 OK\r\n\r\nok", leave=True), 200),
    Case("Connection: close", says(sized(b"ok", OK + b"Connection: close\r\n"), leave=True), 200),
    Case("204", says(b"HTTP/1.1 204 No Content\r\n\r\n"), 204, b""),
    Case("304", says(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), 304, b""),
    Case("a status of its own", says(sized(b"ok", b"HTTP/1.1 799 Odd\r\n")), 799),
    Case("early 413", says(sized(b"ok", b"HTTP/1.1 413 Too Large\r\n"), leave=True), 413),
    # headers
    Case("header of 9 KB", says(sized(b"ok", OK + b"X: %s\r\n" % (b"x" * 9 * KB))), 200),
    Case("header of 60 KB", says(sized(b"ok", OK + b"X: %s\r\n" % (b"x" * 60 * KB))), 200),
    Case("header of 300 KB", says(sized(b"ok", OK + b"X: %s\r\n" % (b"x" * 300 * KB))), 200, None, aiohttp="status"),
    Case("header of 1 MB", says(sized(b"ok", OK + b"X: %s\r\n" % (b"x" * KB * KB))), 200, b"", True, "status"),
    Case("endless header", for_ever(OK + b"X: ", then=b"x" * 8 * KB), 200, b"", True, "status"),
    Case("300 headers", says(sized(b"ok", OK + b"".join(b"X%d: 1\r\n" % n for n in range(300)))), 200),
    Case("5,000 headers", says(sized(b"ok", OK + b"".join(b"X%d: 1\r\n" % n for n in range(5000)))), 200,
         aiohttp="status"),
    Case("folded header", says(sized(b"ok", OK + b"A: 1\r\n 2\r\n")), 200, None, True, "status"),
    Case("space before the colon", says(sized(b"ok", OK + b"A : 1\r\n")), 200, b"", True, "status"),
    Case("header without a colon", says(sized(b"ok", OK + b"nonsense\r\n")), 200, b"", True, "status"),
    Case("the same, no reason phrase", says(sized(b"ok", b"HTTP/1.1 200\r\nnonsense\r\n")), 200, b"", True, "status"),
    Case("control character in a header", says(sized(b"ok", OK + b"A: 1\x012\r\n")), 200, b"", True, "status"),
    Case("header in latin-1", says(sized(b"ok", OK + b"A: caf\xe9\r\n")), 200),
    Case("Content-Length twice", says(sized(b"ok", OK + b"Content-Length: 2\r\n")), 200, b"", True, "status"),
    Case("two Content-Length", says(sized(b"ok", OK + b"Content-Length: 3\r\n")), 200, b"", True, "status"),
    Case("Content-Length and chunked", says(sized(b"ok", OK + b"Transfer-Encoding: chunked\r\n")), 200, b"", True, "status"),
    Case("Content-Length that is none", says(OK + b"Content-Length: x\r\n\r\nok"), 200, b"", True, "status"),
    Case("bare LF line ends", says(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"), 200, b"", True, "status"),
    # bodies
    Case("half a body, by length", says(sized(b"okok")[:-2], leave=True), 200, b"ok", True),
    Case("half a body, chunked", says(CHUNKED + b"2\r\nok\r\n", leave=True), 200, b"ok", True),
    Case("reset in the body", says(sized(b"okok")[:-2], reset=True), 200, None, True),
    Case("bad chunk size", says(CHUNKED + b"2\r\nok\r\nzz\r\n"), 200, None, True, "status"),
    Case("a body that stops", holds(sized(b"okok")[:-2]), 200, b"ok", True, timeout_s=1.0),
    Case("Content-Length of 9e18", holds(OK + b"Content-Length: 9000000000000000000\r\n\r\nok"), 200, b"ok", True,
         timeout_s=1.0),
    Case("headers that stop", holds(OK + b"A: 1\r\n"), 200, b"", True, "status", timeout_s=1.0),
    Case("204 with a body", says(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok"), 204, b"", False, "status"),
    Case("unknown Content-Encoding", says(sized(b"ok", OK + b"Content-Encoding: br\r\n")), 200),
    Case("gzip that is none", says(sized(b"ok", OK + b"Content-Encoding: gzip\r\n")), 200),
    Case("gzip, unasked for", says(sized(GZIP, OK + b"Content-Encoding: gzip\r\n")), 200, GZIP),
    Case("256 KB", says(sized(b"x" * MAX_BODY)), 200, b"x" * MAX_BODY),
    Case("300 KB", says(sized(b"x" * 300 * KB)), 200, b"x" * MAX_BODY, True),
    Case("endless body", for_ever(OK + b"\r\n", then=b"x" * 8 * KB), 200, b"x" * MAX_BODY, True),
    Case("endless chunks of one byte", for_ever(CHUNKED, then=b"1\r\nx\r\n" * 1000), 200, None, True),
    Case("endless chunk extension", for_ever(CHUNKED + b"1;", then=b"x" * 8 * KB), 200, None, True, "status", 1.0),
    Case("endless trailers", for_ever(CHUNKED + b"0\r\n", then=b"X: 1\r\n" * 1000), 200, b"", True, "status", 1.0),
    # more than one
    Case("100 Continue", says(b"HTTP/1.1 100 Continue\r\n\r\n" + sized(b"ok")), 200),
    Case("100 times 100 Continue", says(b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + sized(b"ok")), 200),
    Case("103 with headers", says(b"HTTP/1.1 103 Early Hints\r\nA: early\r\n\r\n", sized(b"ok")), 200),
    Case("two answers", says(sized(b"ok") + sized(b"no")), 200),
    Case("two answers, chunked", says(CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + sized(b"no")), 200),
    Case("bytes behind the answer", says(sized(b"ok") + b"nonsense"), 200, aiohttp="status"),
    # no answer
    Case("endless 1xx", for_ever(then=b"HTTP/1.1 100 Continue\r\n\r\n" * 300), "protocol"),
    Case("101", says(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), "protocol",
         aiohttp="any"),
    Case("a status below 100", says(sized(b"ok", b"HTTP/1.1 099 Odd\r\n")), "protocol", aiohttp="any"),
    Case("a status of four digits", says(sized(b"ok", b"HTTP/1.1 2000 Odd\r\n")), "protocol", aiohttp="any"),
    Case("SSH", says(b"SSH-2.0-OpenSSH_9.2\r\n"), "protocol", aiohttp="any"),
    Case("HTTP/0.9", says(b"<html>hello</html>", leave=True), "protocol", aiohttp="any"),
    Case("garbage", says(b"\x00\xff\x16\x03" * 100), "protocol", aiohttp="any"),
    Case("closed", says(leave=True), "closed"),
    Case("reset", says(reset=True), "closed"),
    Case("closed in the status", says(b"HTTP/1.1 20", leave=True), "closed", aiohttp="any"),
    Case("silence", holds(), "timeout", timeout_s=1.0),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_an_answer_gives_its_status_or_a_fault_that_names_the_reason(
    case: Case, make: str, opens: Opens, vends: Vends
) -> None:
    differs = case.aiohttp if make == "aiohttp" else None
    vendor = await vends(case.script)
    client = opens(case.timeout_s)
    request = Request(f"{vendor.url}/?key=5ecret", body=b"{}")
    [reply] = await asyncio.gather(client.send(request), return_exceptions=True)
    if differs == "any":
        return
    if isinstance(reply, Fault):
        assert (reply.reason, reply.sent) == (case.status, True)
        assert "5ecret" not in reply.words + str(reply)
        return
    assert isinstance(reply, Reply)
    assert reply.status == case.status
    if case.body is not None and differs is None:
        assert reply.body == case.body
        assert bool(reply.trouble) == case.trouble, reply.trouble
    assert len(reply.body) <= MAX_BODY
    assert "5ecret" not in reply.trouble


async def test_names_of_headers_come_in_lower_case_and_the_last_of_a_repeated_one_counts(
    client: Client, vends: Vends
) -> None:
    vendor = await vends(says(sized(b"", OK + b"X-Wait: 1\r\nX-WAIT: 2\r\nSet-Cookie: a=1\r\n")))
    reply = await client.send(Request(vendor.url))
    assert reply.headers["x-wait"] == "2"
    await client.send(Request(vendor.url))
    assert b"a=1" not in vendor.requests[1]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(status: int, client: Client, vends: Vends) -> None:
    vendor = await vends(says(sized(b"", b"HTTP/1.1 %d Moved\r\nLocation: /other\r\n" % status)))
    assert (await client.send(Request(vendor.url))).status == status
    assert len(vendor.requests) == 1


async def test_headers_of_an_answer_before_the_answer_are_not_kept(client: Client, vends: Vends) -> None:
    vendor = await vends(says(b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n" + sized(b"ok")))
    assert "retry-after" not in (await client.send(Request(vendor.url))).headers


async def test_of_many_headers_the_first_are_kept(client: Client, vends: Vends) -> None:
    vendor = await vends(says(sized(b"ok", OK + b"".join(b"X%d: 1\r\n" % n for n in range(5_000)))))
    headers = (await client.send(Request(vendor.url))).headers
    assert [headers.get(f"x{n}") for n in (0, MAX_HEADERS - 1, MAX_HEADERS)] == ["1", "1", None]
    assert len(headers) == MAX_HEADERS


async def test_a_body_whose_length_stands_behind_too_many_headers_is_not_taken_for_whole(
    client: Client, vends: Vends
) -> None:
    many = OK + b"".join(b"X%d: 1\r\n" % n for n in range(MAX_HEADERS))
    vendor = await vends(says(many + b"Content-Length: 500\r\n\r\nhalf of it", leave=True))
    reply = await client.send(Request(vendor.url))
    assert (reply.status, reply.trouble.partition(":")[0]) == (200, "body")


async def test_an_answer_to_head_has_no_body(client: Client, vends: Vends) -> None:
    vendor = await vends(says(OK + b"Content-Length: 500\r\n\r\n"))
    reply = await client.send(Request(vendor.url, method="HEAD"))
    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "500")


async def test_a_broken_answer_on_a_kept_connection_does_not_take_the_status_of_the_one_before(
    make: str, client: Client, vends: Vends
) -> None:
    async def script(visit: Visit) -> None:
        await visit.say(sized(b"ok") if visit.requests == 1 else b"nonsense\r\n\r\n")

    vendor = await vends(script)
    await client.send(Request(vendor.url))
    with pytest.raises(Fault) as caught:
        await client.send(Request(vendor.url))
    assert caught.value.reason == ("protocol" if make == "httptools" else caught.value.reason)


async def test_a_right_answer_comes_to_the_right_request_whatever_happens_to_others(
    make: str, opens: Opens, vends: Vends
) -> None:
    """400 requests, 8 at a time; the vendor answers well, in halves, twice, late, or not at all; some are cancelled."""

    async def script(visit: Visit) -> None:
        kind, seen = visit.requests % 7, visit.last.split(b" ")[1]
        if kind == 3:
            visit.reset()
            raise Leave
        if kind == 4:
            await visit.say(sized(seen) + sized(b"/other"))
            return
        if kind == 5:
            await visit.say(sized(seen + b"....")[:-4])
            raise Leave
        await visit.say(sized(seen)[:20])
        await asyncio.sleep(0)
        await visit.say(sized(seen)[20:])

    vendor = await vends(script)
    client = opens()
    wrong: list[Any] = []

    async def one(n: int) -> None:
        task = asyncio.ensure_future(client.send(Request(f"{vendor.url}/{n}")))
        if n % 11 == 0:
            await asyncio.sleep(0)
            task.cancel()
        [result] = await asyncio.gather(task, return_exceptions=True)
        if not isinstance(result, BaseException) and result.body != b"/%d" % n:
            wrong.append((n, result))

    for first in range(0, 400, 8):
        await asyncio.gather(*(one(n) for n in range(first, first + 8)))
    assert wrong == []
    assert client.in_flight == 0
