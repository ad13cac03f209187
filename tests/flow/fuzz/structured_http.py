"""Requests that are nearly right: methods, paths, the pixel's queries, headers at their limits, pieces, pipelines, upgrades."""

from __future__ import annotations

import base64
from collections.abc import Callable
from random import Random
from urllib.parse import quote

from tests.flow.fuzz.json_bodies import make as json_body
from tests.flow.fuzz.odd_values import KEYS, ODD_TEXTS, TYPES, encoded, good_call, spoiled, spoiled_bytes
from tests.flow.fuzz.wire import CREDENTIALS, Tally, Target, in_pieces, post, talk

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "X")
PATHS = (
    "/v1/track", "/v1/track/", "//v1/batch", "//v1/batch/", "/v1/webhook", "/v1/webhook/wk_hooks", "/v1/webhook/%00", "/v1/pixel/track",
    "/pixel/v1/page", "/v1/projects/wk_test_123/settings", "/v1/projects/%F0%9F%99%82/settings", "/sourceConfig", "/sourceConfig?writeKey=wk_test_123",
    "/openapi.json", "/v1/m", "/", "/v1", "/v1/nothing", "/v1/tr%61ck", "/v1/track;x", "/healthz", "/metrics",
)  # fmt: skip


async def send_http(random: Random, target: Target, tally: Tally) -> None:
    """One connection with one request or several."""
    kind = random.choice(list(KINDS))
    tally.tried[f"http: {kind}"] += 1
    data = KINDS[kind](random)
    pieces = in_pieces(random, data) if random.random() < 0.3 else [data]
    await talk(target.port, pieces, tally, gap_s=random.choice((0.0, 0.0, 0.02)), read_s=random.choice((0.3, 1.0)))


def method_and_path(random: Random) -> bytes:
    """Any method on any path, with a body or without."""
    head = f"{random.choice(METHODS)} {random.choice(PATHS)} {random.choice(('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'))}"
    body = encoded(good_call(random), random) if random.random() < 0.5 else b""
    lines = [
        head,
        "Host: x",
        CREDENTIALS,
        "Origin: https://a.example",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def pixel(random: Random) -> bytes:
    """The query forms of a call by image."""
    path = f"{random.choice(('/v1/pixel/', '/pixel/v1/'))}{random.choice((*TYPES, 'x', ''))}"
    body = encoded(spoiled(random, {**good_call(random), "writeKey": "wk_test_123"}), random)
    if random.random() < 0.3:
        body = spoiled_bytes(random, body)
    if random.random() < 0.5:
        code = random.choice((base64.b64encode, base64.urlsafe_b64encode))(body[:9_000]).decode()
        query = "data=" + random.choice((code, code.rstrip("="), code[:-1], quote(code), code + "%"))
    else:
        names = [".".join(random.choices(KEYS, k=random.choice((1, 2, 2, 3, 30)))) for _ in range(random.randrange(12))]
        texts = [quote(random.choice(ODD_TEXTS)[:500], errors="surrogatepass") for _ in names]
        query = "&".join(
            ["writeKey=wk_test_123&userId=noise-pixel", *(f"{quote(n)}={t}" for n, t in zip(names, texts, strict=True))]
        )
    return f"GET {path}?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


def headers_at_limits(random: Random) -> bytes:
    """Many headers, long names, long values: just below a limit and just above."""
    number = random.choice((1, 100, 120, 126, 128, 130, 2_000))
    length = random.choice((1, 100, 230, 250, 16_300, 16_384, 32_700))
    name = "X-" + "n" * random.choice((1, 100, 16_000))
    lines = [f"{name}{n}: {'v' * length}" for n in range(number if length < 300 and len(name) < 300 else 1)]
    return post("/v1/track", encoded(good_call(random, "track"), random), *lines)


def header_values(random: Random) -> bytes:
    """Headers that the router reads, with values it does not expect."""
    names = ("Authorization", "Content-Type", "Origin", "X-Forwarded-For", "X-Forwarded-Proto", "Access-Control-Request-Method",
             "X-Signature", "Accept-Encoding", "Date", "Host", "User-Agent", "X-Write-Key", "Connection", "Expect", "Content-Encoding")  # fmt: skip
    texts = [text.replace("\r\n", " ").replace("\x00", "") for text in ODD_TEXTS if len(text) < 5_000]
    lines = [
        f"{random.choice(names)}: {random.choice(texts)}".encode("utf-8", "surrogatepass")
        for _ in range(random.randint(1, 4))
    ]
    head, _, body = post("/v1/batch", json_body(random)[2]).partition(b"\r\n\r\n")
    return b"\r\n".join([head, *lines]) + b"\r\n\r\n" + body


def chunked(random: Random) -> bytes:
    """A body in chunks of any size, ended well or not."""
    _, path, body = json_body(random)
    size = random.choice((1, 7, 100, 5_000, 70_000)) if len(body) < 2_000 else 5_000
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(body[at : at + size]), body[at : at + size]) for at in range(0, len(body), size)
    )
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\n{CREDENTIALS}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + chunks + random.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\n", b"", b"0\r\nX: y\r\n\r\n"))


def pipeline(random: Random) -> bytes:
    """Several requests in a row without waiting, good and bad ones."""
    requests = [
        post(*json_body(random)[1:]).replace(b"Connection: close\r\n", b"") for _ in range(random.randint(2, 12))
    ]
    if random.random() < 0.4:
        requests.insert(random.randrange(len(requests)), method_and_path(random))
    return b"".join(requests)


def half_request(random: Random) -> bytes:
    """A head that promises more than there is, or less."""
    _, path, body = json_body(random)
    whole = post(path, body)
    length = b"Content-Length: %d" % len(body)
    return whole.replace(
        length, b"Content-Length: %d" % random.choice((0, 1, len(body) // 2, len(body) + 1, len(body) + 900_000))
    )


def expectation(random: Random) -> bytes:
    """Expect, with the body behind it or without."""
    head, _, body = post("/v1/track", encoded(good_call(random, "track"), random)).partition(b"\r\n\r\n")
    expect = random.choice((b"100-continue", b"100-Continue", b"200-ok", b"", b"100-continue, 100-continue"))
    return head + b"\r\nExpect: " + expect + b"\r\n\r\n" + random.choice((body, b"", body[:5]))


def upgrade(random: Random) -> bytes:
    """An upgrade to what is not spoken here."""
    to = random.choice(("websocket", "h2c", "TLS/1.2", "", "x" * 500))
    lines = (
        f"Upgrade: {to}",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "HTTP2-Settings: AAA",
    )
    return post("/v1/track", encoded(good_call(random, "track"), random), *lines) + random.randbytes(
        random.randrange(40)
    )


def old_http(random: Random) -> bytes:
    """HTTP/1.0, with and without a length, kept alive or not."""
    body = encoded(good_call(random, "track"), random)
    lines = [f"POST /v1/track HTTP/1.0\r\n{CREDENTIALS}", random.choice((f"Content-Length: {len(body)}", "X: y")),
             random.choice(("Connection: keep-alive", "Connection: close", "Transfer-Encoding: chunked"))]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + body


KINDS: dict[str, Callable[[Random], bytes]] = {
    "method and path": method_and_path,
    "pixel": pixel,
    "headers at their limits": headers_at_limits,
    "header values": header_values,
    "chunked": chunked,
    "pipeline": pipeline,
    "half a request": half_request,
    "expect": expectation,
    "upgrade": upgrade,
    "HTTP/1.0": old_http,
}
