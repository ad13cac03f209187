"""Bytes and spoiled request heads to both listeners, some of them left open for a while."""

from __future__ import annotations

from random import Random

from tests.flow.fuzz.odd_values import encoded, good_call
from tests.flow.fuzz.wire import CREDENTIALS, Tally, Target, in_pieces, post, talk

TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(200))
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(30)
BREAKS = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\n", b"\x00\r\n", b" \r\n", b"\x0b\x0c")
ODD_LINES = (
    b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: 0x10", b"Content-Length: 5, 5",
    b"Content-Length: 1\r\nContent-Length: 2", b"Content-Length:", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4", b"Transfer-Encoding : chunked", b"transfer-encoding: xchunked", b"no colon here",
    b": no name", b" folded: line", b"X-\xff\xfe: \x80", b"X: a\x00b", b"Host: a\r\nHost: b", b"Expect: 100-continue", b"Expect: x",
    b"Upgrade: websocket\r\nConnection: Upgrade", b"Connection: close, keep-alive, \x01", b"Authorization: Basic !!!", b"X: " + b"y" * 20_000,
    b"Authorization: Basic " + b"A" * 9_000, b"Forwarded: for=\"[::1", b"X-Forwarded-For: " + b"1.1.1.1, " * 900, b"Cookie: " + b"a=b; " * 1_500,
)  # fmt: skip
CHUNKS = (
    b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\nx", b"-5\r\nhello\r\n", b"5;ext=\"\r\n\"\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n",
    b"0x5\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b"0\r\nTrailer: a\r\nTrailer: b\r\n\r\n", b"0\r\n" + b"T: x\r\n" * 3_000 + b"\r\n",
    b"1\r\n{\r\n" * 4_000, b"5" + b";a" * 20_000 + b"\r\nhello\r\n0\r\n\r\n", b"\r\n\r\n", b"g\r\n", b"00000000000000000000005\r\nhello\r\n0\r\n\r\n",
)  # fmt: skip


async def send_raw(random: Random, target: Target, tally: Tally) -> None:
    """One connection."""
    kind, data = make(random)
    tally.tried[f"raw: {kind}"] += 1
    pieces = in_pieces(random, data) if random.random() < 0.4 else [data]
    await talk(
        target.any(random),
        pieces,
        tally,
        gap_s=random.choice((0.0, 0.0, 0.03)),
        read_s=random.choice((0.1, 0.5, 0.5, 5.0)),
    )


def make(random: Random) -> tuple[str, bytes]:
    """The kind, and the bytes."""
    request = post(
        random.choice(("/v1/track", "/v1/batch", "/api/reload")), encoded(good_call(random, "track"), random)
    )
    match random.randrange(9):
        case 0:
            return "bytes", random.randbytes(random.choice((1, 10, 300, 40_000)))
        case 1:
            return "another protocol", random.choice(
                (TLS_HELLO, HTTP2, b"SSH-2.0-x\r\n", b"\x05\x01\x00", b"*1\r\n$4\r\nPING\r\n", b"GET /\r\n")
            )
        case 2:
            return "flipped bytes", flipped(random, request)
        case 3:
            return "half a request", request[: random.randrange(len(request))]
        case 4:
            return "odd line breaks", request.replace(b"\r\n", random.choice(BREAKS))
        case 5:
            line = random.choice(ODD_LINES)
            return "odd header", request.replace(b"Host: 127.0.0.1", b"Host: 127.0.0.1\r\n" + line)
        case 6:
            return "odd chunks", chunked() + random.choice(CHUNKS)
        case 7:
            first = b"".join((random.choice((b"GET", b"P\x00ST", b"get", b"", b"X" * 9_000)), b" ", random.choice(TARGETS), b" ",
                              random.choice((b"HTTP/1.1", b"HTTP/9.9", b"HTTP/1", b"http/1.1", b"", b"HTTP/1.1 x"))))  # fmt: skip
            return "odd first line", first + b"\r\nHost: localhost\r\n\r\n"
        case _:
            return "many small requests", request.replace(b"Connection: close\r\n", b"") * random.randint(2, 30)


TARGETS = (
    b"/", b"*", b"", b"//", b"/%", b"/%00", b"/v1/track#x", b"http://a:b@c/v1/track", b"http://[::1/v1/track", b"/v1/\xff\xfe", b"/" + b"a" * 17_000,
    b"/v1/track?" + b"a&" * 6_000, b"/../../v1/track", b"/v1/track\x00", b"http://", b"/api/messages/%FF%FE", b"/api/destinations/%2e%2e/held",
)  # fmt: skip


def chunked() -> bytes:
    """The head of a request whose body comes in chunks."""
    return f"POST /v1/track HTTP/1.1\r\nHost: localhost\r\n{CREDENTIALS}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def flipped(random: Random, request: bytes) -> bytes:
    """The same with some bytes changed, taken out or put in."""
    spoiled = bytearray(request)
    for _ in range(random.randint(1, 8)):
        at = random.randrange(len(spoiled))
        spoiled[at : at + random.randrange(3)] = random.randbytes(random.randrange(3))
    return bytes(spoiled)
