"""What a hostile client gets: no answer that costs more than the question, and nothing that others have to wait for."""

from __future__ import annotations

import asyncio
import gc
import gzip
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from types import FrameType
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from router.config import Rate
from router.ingest import body, limits, routes
from router.ingest.aiohttp_server import IngestServer
from router.ingest.head_size import HeadSize
from router.ingest.in_flight import IN_FLIGHT, InFlight
from router.ingest.inflating import inflate
from router.ingest.parse import Batch, parse_batch
from router.ingest.received_bytes import ReceivedBytes, Share
from router.ingest.routes import make_app
from router.ingest.token_bucket import Limiter, RateExceeded
from router.ingest.webhook import parse_webhook
from router.ingest.write_key import Sources
from router.metrics import Metrics
from tests.unit.ingest.rig import (
    KEY,
    TRACK,
    Client,
    FakeClock,
    FakeSource,
    IngestTestServer,
    RecordingAcceptor,
    failure,
)
from tests.unit.ingest.test_hot_path import post, until
from tests.unit.ingest.test_request_counts import counted

Send = Callable[[bytes], Awaitable[tuple[int, dict[str, Any]]]]
NOBODY = "Authorization: Basic bm9wZTo="


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def client(
    acceptor: RecordingAcceptor, sources: Sources, clock: FakeClock, metrics: Metrics
) -> AsyncIterator[Client]:
    client: Client
    async with TestClient(IngestTestServer(make_app(acceptor, sources, clock, metrics=metrics))) as client:
        yield client


def begun(path: str, *headers: str, length: int = 1_000) -> bytes:
    """A request whose body never comes."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", *headers, "", ""]).encode()


# ---------------------------------------------------------------- who asks, before the body


@pytest.mark.parametrize(
    "request_bytes",
    [
        begun("/v1/track", NOBODY),
        begun("/v1/batch", NOBODY) + b'{"batch":[',
        begun("/v1/batch", NOBODY, "Content-Encoding: gzip"),
        begun("/beacon/v1/batch?writeKey=nope"),
        begun("/api/s/track", "X-Write-Key: nope:x"),
        begun("/api/s/track"),
    ],
)
async def test_a_wrong_key_in_the_head_is_refused_before_the_body_is_here(send: Send, request_bytes: bytes) -> None:
    status, body = await send(request_bytes)
    assert (status, body["code"].endswith("_write_key")) == (401, True)


async def test_a_webhook_without_a_source_for_it_is_404_before_its_body_is_here(send: Send) -> None:
    assert (await send(begun(f"/v1/webhook/{KEY}")))[0] == 404


async def test_a_body_is_asked_for_only_of_those_who_may_send_it(client: Client) -> None:
    for header, line in ((NOBODY, b"HTTP/1.1 401 "), ("X: y", b"HTTP/1.1 100 ")):
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(begun("/v1/track", header, "Expect: 100-continue"))
        assert (await reader.readline()).startswith(line)
        writer.close()


async def test_bytes_that_are_no_text_are_no_write_key(send: Send) -> None:
    request = begun("/api/s/track", "X-Write-Key: ?").replace(b"?", b"\xff")
    assert (await send(request))[0] == 401


# ---------------------------------------------------------------- heads


async def test_a_head_beyond_its_limit_is_refused_before_it_ends(send: Send) -> None:
    line = b"X-Junk: " + b"y" * 8_000 + b"\r\n"
    status, body = await send(b"GET / HTTP/1.1\r\nHost: x\r\n" + line * 5)
    assert (status, body["code"]) == (431, "head_too_large")


async def test_cookies_of_16_kb_in_one_line_are_taken(send: Send) -> None:
    head = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nCookie: " + b"y" * 16_000 + b"\r\n"
    assert (await send(head + b"X: " + b"y" * 16_000 + b"\r\n\r\n"))[0] == 200


async def test_a_longer_line_is_refused(send: Send) -> None:
    status, body = await send(b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"y" * 17_000 + b"\r\n\r\n")
    assert (status, body["code"]) == (431, "head_too_large")


@pytest.mark.parametrize(("headers", "status"), [(limits.MAX_HEADERS, 401), (limits.MAX_HEADERS + 1, 431)])
async def test_too_many_headers_are_called_so(send: Send, headers: int, status: int) -> None:
    lines = [f"X-{n}: 1" for n in range(headers - 3)]
    answered, body = await send(begun("/v1/track", NOBODY, *lines))
    assert answered == status
    assert body["code"] == ("head_too_large" if status == 431 else "invalid_write_key")


async def test_a_head_that_does_not_end_is_given_up(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEAD_TIMEOUT_S", 0.01)
    status, body = await send(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert (status, body["code"]) == (408, "head_timeout")


@pytest.mark.parametrize("cut", range(1, 20))
def test_the_size_of_a_head_counts_up_to_its_end_wherever_it_is_cut(cut: int) -> None:
    head, body = b"GET / HTTP/1.1\r\n\r\n", b"x" * 100
    size = HeadSize()
    first, second = (head + body)[:cut], (head + body)[cut:]
    if cut < len(head):
        size.add(first)
        assert size.with_next(second) == len(head)
    else:
        assert size.with_next(first) == len(head)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST /v1/track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET /openapi.json\r\n\r\n", 400),
    ],
)
async def test_what_is_not_the_http_it_seems_is_refused(
    send: Send, metrics: Metrics, acceptor: RecordingAcceptor, request_bytes: bytes, status: int
) -> None:
    got, body = await send(request_bytes)
    assert (got, body["code"]) == (status, "invalid_http")
    assert counted(metrics) == {("", str(status)): 1}
    assert [(discard.source, discard.code) for discard in acceptor.discards] == [("", "invalid_http")]


async def test_an_expectation_that_nobody_can_meet_is_told_in_json_and_counted(send: Send, metrics: Metrics) -> None:
    for path in ("/v1/track", "/nothing"):
        status, body = await send(begun(path, "Expect: miracles"))
        assert (status, body["success"]) == (417, False)
    assert counted(metrics) == {("", "417"): 2}


async def test_no_answer_tells_which_version_of_what_wrote_it(client: Client) -> None:
    for path in ("/openapi.json", "/nothing"):
        assert (await client.get(path)).headers["Server"] == "segment-router"


# ---------------------------------------------------------------- bytes on their way


def test_a_stranger_may_fill_half_of_the_room_and_one_with_a_key_all_of_it() -> None:
    room = ReceivedBytes(100, 50)
    stranger, known = Share(room), Share(room)
    known.is_known = True
    stranger.hold(50)
    assert not stranger.is_over
    known.hold(50)
    assert (stranger.is_over, known.is_over) == (True, False)
    known.hold(1)
    assert known.is_over
    stranger.release()
    assert (room.held, known.is_over) == (51, False)


def test_the_room_of_the_admin_listener_is_there_for_everybody_since_nobody_has_a_key_there() -> None:
    assert limits.ADMIN.stranger_bytes == limits.ADMIN.received_bytes
    assert limits.INGEST.stranger_bytes == limits.INGEST.received_bytes // 2


CHUNKED = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
NO_CHUNK = b"no size\r\nGET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_body_that_turns_out_to_be_no_http_is_refused_at_once_and_nothing_behind_it_is_answered(
    client: Client,
) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(CHUNKED + b"\r\n5\r\nhello\r\n")
    await until(lambda: in_flight_of(client).reading == 1)
    writer.write(NO_CHUNK)
    answers = await reader.read()
    assert (answers[9:12], answers.count(b"HTTP/1.1 ")) == (b"400", 1)
    writer.close()


async def test_a_body_that_turns_out_to_be_no_http_is_not_thrown_away_any_longer(client: Client) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(CHUNKED + f"{NOBODY}\r\n\r\n5\r\nhello\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n"))[9:12] == b"401"
    writer.write(NO_CHUNK)
    assert b"HTTP/1.1 " not in await reader.read()
    writer.close()


@pytest.mark.parametrize("key", ["", "Authorization: Basic d2tfdGVzdF8xMjM6"], ids=["stranger", "known"])
async def test_a_body_that_finds_no_room_is_asked_to_come_again(
    acceptor: RecordingAcceptor, sources: Sources, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(limits, "INGEST", limits.INGEST._replace(received_bytes=20_000, stranger_bytes=10_000))
    client: Client
    async with TestClient(IngestTestServer(make_app(acceptor, sources, FakeClock()))) as client:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        headers = [key] if key else []
        writer.write(begun("/v1/batch", *headers, length=500_000) + b"x" * 30_000)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in answer
        assert b"\r\nConnection: close\r\n" in answer, "or the next request on it would be met by a reset"
        writer.close()
        assert (await client.post("/v1/track", json=TRACK)).status == 200


async def test_half_a_body_of_a_client_that_left_counts_until_its_reader_has_let_go_of_it(
    acceptor: RecordingAcceptor, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many can leave before the reader of any of them has a turn: all of their bodies are in memory by then."""
    monkeypatch.setattr(limits, "PIECES_TIMEOUT_S", 0.0)  # the full path reads it at once
    test_server = IngestTestServer(make_app(acceptor, sources, FakeClock()))
    client: Client
    async with TestClient(test_server) as client:
        server = test_server.runner.server if test_server.runner is not None else None
        assert isinstance(server, IngestServer)
        _, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(begun("/v1/batch", length=500_000) + b"x" * 30_000)
        await until(lambda: server.received.held >= 30_000 and test_server.app[IN_FLIGHT].reading == 1)
        (connection,) = server.connections
        connection.connection_lost(None)
        assert server.received.held >= 30_000
        await until(lambda: server.received.held == 0)
        writer.close()


def test_a_bomb_of_items_is_decoded_up_to_the_limit_only() -> None:
    posted = parse_webhook(b"[" + b"1," * 1_000_000 + b"1]")
    _, discards = posted.calls("website", 0, None)
    assert len(discards) == limits.MAX_BATCH_ITEMS + 1
    assert discards[-1].n == 1_000_001 - limits.MAX_BATCH_ITEMS


# ---------------------------------------------------------------- ids


@pytest.mark.parametrize("name", ["userId", "anonymousId", "groupId", "previousId"])
async def test_an_id_beyond_its_limit_is_a_discard(client: Client, acceptor: RecordingAcceptor, name: str) -> None:
    for length in (limits.MAX_ID, limits.MAX_ID + 1):
        assert (await client.post("/v1/track", json={**TRACK, name: "x" * length})).status == 200
    assert len(acceptor.calls) == 1
    assert [discard.code for discard in acceptor.discards] == ["id_too_long"]


# ---------------------------------------------------------------- rates


def test_a_batch_brings_a_source_into_debt_for_seconds_and_not_for_hours(clock: FakeClock) -> None:
    limiter, rate = Limiter(clock), Rate(10, 1)
    limiter.check("website", rate)
    limiter.charge("website", 300_000)
    with pytest.raises(RateExceeded) as refused:
        limiter.check("website", rate)
    assert refused.value.wait_s <= limits.MAX_DEBT_S + 1


async def test_only_what_is_kept_is_charged(client: Client, sources: Sources, acceptor: RecordingAcceptor) -> None:
    sources.replace([FakeSource(rate=Rate(2, 1))])
    assert (await client.post("/v1/batch", json={"batch": [1] * 2_000, "writeKey": KEY})).status == 200
    assert (await client.post("/v1/track", json=TRACK)).status == 200
    assert len(acceptor.calls) == 1


# ---------------------------------------------------------------- what is told of refusals


async def test_a_refusal_is_a_discard_of_its_source(client: Client, acceptor: RecordingAcceptor) -> None:
    headers = {"Authorization": "Basic d2tfdGVzdF8xMjM6"}
    answer = await client.post("/v1/batch", data=b"nonsense", headers=headers)
    assert await failure(answer) == (400, "invalid_json")
    answer = await client.post(
        "/v1/batch", data=gzip.compress(b" " * 700_000), headers={**headers, "Content-Encoding": "gzip"}
    )
    assert await failure(answer) == (413, "payload_too_large")
    assert [(discard.source, discard.code) for discard in acceptor.discards] == [
        ("website", "invalid_json"),
        ("website", "payload_too_large"),
    ]


async def test_what_strangers_are_refused_for_is_a_discard_without_their_key(
    client: Client, acceptor: RecordingAcceptor
) -> None:
    await client.post("/v1/track", json={**TRACK, "writeKey": "made-up"})
    assert [(discard.source, discard.code) for discard in acceptor.discards] == [("", "invalid_write_key")]
    assert "made-up" not in repr(acceptor.discards)


# ---------------------------------------------------------------- answers that nobody reads


async def test_a_client_that_does_not_read_its_answers_is_dropped(
    client: Client, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ANSWER_TIMEOUT_S", 0.01)
    _, writer = await asyncio.open_connection(client.host, client.port, limit=1)
    request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"

    async def ask() -> None:
        while True:
            writer.write(request * 100)
            await writer.drain()

    with pytest.raises((ConnectionError, TimeoutError)):
        await ask()
    writer.close()
    samples = [s for f in metrics.collect([]) for s in f.samples if s.labels.get("cause") == "answer_not_read"]
    assert [sample.value for sample in samples] == [1]


async def test_a_refused_batch_is_freed_at_once(client: Client) -> None:
    """Not by the next collection of cycles: many refused batches would fill the memory meanwhile."""
    gc.collect()
    gc.disable()
    try:
        async with client.post("/v1/batch", data=b'{"batch":[1,1,1]}') as answer:
            assert answer.status == 401
        assert [left for left in gc.get_objects() if isinstance(left, Batch)] == []
    finally:
        gc.enable()


@pytest.mark.parametrize("has_gone", [True, False], ids=["whose client has gone", "that is no HTTP"])
async def test_what_was_read_of_a_body_is_freed_at_once(client: Client, has_gone: bool) -> None:
    """Many such bodies would fill the memory before a collection of cycles, and nothing counts them any more."""
    in_flight = in_flight_of(client)
    gc.collect()
    gc.disable()
    try:
        _, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(CHUNKED + b"\r\n")
        await until(lambda: in_flight.reading == 1)
        writer.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
        await writer.drain()
        if has_gone:
            writer.close()
        else:
            writer.write(NO_CHUNK)
        await until(lambda: not in_flight.tasks)
        assert held_by_readers() == []
        writer.close()
    finally:
        gc.enable()


async def test_what_is_here_of_a_body_is_here_once(client: Client) -> None:
    """It is counted once."""
    in_flight = in_flight_of(client)
    _, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(CHUNKED + b"\r\n")
    await until(lambda: in_flight.reading == 1)
    writer.write(b"8001\r\n" + b"x" * 0x8001 + b"\r\n")
    (task,) = in_flight.tasks
    await until(lambda: "bytearray" in large_locals(task))
    assert large_locals(task) == ["bytearray"]
    writer.close()


def large_locals(task: asyncio.Task[Any]) -> list[str]:
    """The kinds of large texts that a task which waits has in its innermost coroutine that reads a body."""
    coroutine: Any = task.get_coro()
    while coroutine is not None and coroutine.__name__ != "_read_chunks":
        coroutine = coroutine.cr_await
    return (
        []
        if coroutine is None
        else [type(value).__name__ for value in coroutine.cr_frame.f_locals.values() if sys.getsizeof(value) > 0x8000]
    )


def in_flight_of(client: Client) -> InFlight:
    in_flight: InFlight = client.server.app[IN_FLIGHT]  # type: ignore[attr-defined]
    return in_flight


def held_by_readers() -> list[str]:
    """The kinds of large texts that frames which read a body hold."""
    frames = [found for found in gc.get_objects() if isinstance(found, FrameType)]
    reading = [frame for frame in frames if frame.f_code.co_name == "_read_chunks"]
    return [
        type(value).__name__ for frame in reading for value in frame.f_locals.values() if sys.getsizeof(value) > 0x8000
    ]


# ---------------------------------------------------------------- bodies that take long

DEEP = b"[" * 100 + b"]" * 100
HEAVY = b'{"writeKey":"%s","batch":[%s]}' % (KEY.encode(), b",".join([DEEP] * 900))
"""A batch of 180 KB, nested deep."""


@pytest.mark.parametrize("is_compressed", [False, True])
async def test_a_call_with_a_key_goes_between_bodies_that_take_long(
    client: Client, acceptor: RecordingAcceptor, monkeypatch: pytest.MonkeyPatch, is_compressed: bool
) -> None:
    """It comes while the first of twenty is worked on."""
    worked_on: list[int] = []
    _, usual = await asyncio.open_connection(client.host, client.port)

    def parse(body: bytes) -> Batch:
        if not worked_on:
            usual.transport.write(post("/v1/track", TRACK))  # on a socket: it is there at once
        worked_on.append(len(body))
        return parse_batch(body)

    monkeypatch.setattr(routes, "parse_batch", parse)
    encoding = ["Content-Encoding: gzip"] if is_compressed else []
    request = post("/v1/batch", gzip.compress(HEAVY) if is_compressed else HEAVY, *encoding)
    clients = [await asyncio.open_connection(client.host, client.port) for _ in range(20)]
    for _, writer in clients:
        writer.write(request)
    await until(lambda: bool(acceptor.calls))
    assert 1 <= len(worked_on) <= 6
    await until(lambda: len(worked_on) == 20)
    for _, writer in [*clients, (None, usual)]:
        writer.close()


@pytest.mark.parametrize(
    ("compressed", "times"),
    [
        (gzip.compress(HEAVY), 1),
        (gzip.compress(b'{"batch":[],"writeKey":"%s"}' % KEY.encode()), 1),
        (gzip.compress(HEAVY)[:-4] + bytes(4), 2),
        (gzip.compress(HEAVY[:-1]) + gzip.compress(HEAVY[-1:]), 2),
    ],
    ids=["large", "small", "lies", "last member is small"],
)
async def test_a_body_that_says_its_size_is_inflated_once(
    client: Client, monkeypatch: pytest.MonkeyPatch, compressed: bytes, times: int
) -> None:
    """One that says too little costs what may be worked on at once, and no more."""
    made: list[int] = []

    def inflated(data: bytes, encoding: str, max_bytes: int) -> bytes:
        made.append(max_bytes)
        return inflate(data, encoding, max_bytes)

    monkeypatch.setattr(body, "inflate", inflated)
    answer = await client.post("/v1/batch", data=compressed, headers={"Content-Encoding": "gzip"})
    assert answer.status == (400 if compressed.endswith(bytes(4)) else 200)
    assert len(made) == times
    assert made[:-1] == [limits.MAX_LIGHT_BYTES] * (times - 1)
