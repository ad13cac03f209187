"""The hot path answers what the full path would, byte for byte, and steps aside for everything unusual."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from router.config import Rate, SourcePrivacyConfig
from router.errors import StoreBusy, StoreClosed, StoreError, StoreFull
from router.event import Call, Discard
from router.ingest import limits
from router.ingest.aiohttp_server import LISTENER, IngestRunner, IngestServer, Listener, make_runner
from router.ingest.hot_connection import MAX_BEHIND_BYTES
from router.ingest.hot_path import HOT_PATH
from router.ingest.limits import MAX_BATCH_BYTES, MAX_SINGLE_BYTES
from router.ingest.routes import BATCH_PATHS, SINGLE_PATHS, make_app
from router.ingest.write_key import Sources
from router.metrics import Metrics
from router.privacy import Hasher, SourcePrivacy
from tests.unit.ingest.rig import KEY, TRACK, FakeClock, FakeSource, RecordingAcceptor
from tests.unit.ingest.test_request_counts import counted

BARE = {key: value for key, value in TRACK.items() if key != "writeKey"}
ITEM = {**BARE, "type": "track"}
BASIC = "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
BIG = {
    "batch": [{**ITEM, "messageId": f"m{n}", "properties": {"text": "x" * 800}} for n in range(100)],
    "writeKey": KEY,
}


def post(path: str, body: object, *headers: str, version: str = "1.1", length: str | None = None) -> bytes:
    """A request as bytes. `body`: bytes, or what becomes JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {path} HTTP/{version}", "Host: x", *headers]
    if not any(header.lower().startswith(("transfer-encoding", "content-length")) for header in headers):
        lines.append(f"Content-Length: {len(data) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + data


class Rig:
    """A server on a real socket."""

    def __init__(self, runner: IngestRunner, acceptor: RecordingAcceptor, metrics: Metrics) -> None:
        assert isinstance(runner.server, IngestServer)
        self.runner, self.server, self.acceptor, self.metrics = runner, runner.server, acceptor, metrics
        self.port: int = runner.addresses[0][1]

    @property
    def on_the_full_path(self) -> int:
        """How many requests aiohttp has served."""
        return self.server.requests_count

    @property
    def in_flight(self) -> int:
        assert self.server.hot_path is not None
        return len(self.server.hot_path.in_flight)

    @property
    def unfinished(self) -> int:
        """Bytes of requests that are not here in full."""
        return self.server.received.held

    async def connection(self) -> Any:
        """The server's side of the one connection there is."""
        await until(lambda: bool(self.server.connections))
        (connection,) = self.server.connections
        return connection

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)


@asynccontextmanager
async def serving(
    *sources: FakeSource,
    acceptor: Any = None,
    is_hot: bool = True,
    proxies: tuple[str, ...] = (),
    privacy: SourcePrivacy | None = None,
) -> AsyncIterator[Rig]:
    """A server for these sources. `is_hot`: False leaves it the full path only. `privacy`: what the first one takes."""
    acceptor, metrics = acceptor or RecordingAcceptor(), Metrics()
    known = sources or (FakeSource(),)
    configured = Sources(known, {known[0].name: privacy} if privacy else {})
    app = make_app(acceptor, configured, FakeClock(), trusted_proxies=proxies, metrics=metrics)
    runner = make_runner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        rig = Rig(runner, acceptor, metrics)
        if not is_hot:
            rig.server.hot_path = None
        yield rig
    finally:
        await runner.cleanup()


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """The next answer, whole; its Date is of no account."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    body = await reader.readexactly(int(length[1])) if length else b""
    return re.sub(rb"(?m)^Date: .*\r$", b"Date: now\r", head) + body


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until this holds."""
    while not condition():  # noqa: ASYNC110 - of the server's own state, which sets no event
        await asyncio.sleep(0)


# ---------------------------------------------------------------- the same answers


USUAL = {
    **{f"/v1/{name}": post(f"/v1/{name}", {**TRACK, "groupId": "g", "previousId": "p"}) for names in SINGLE_PATHS.values() for name in names},
    **{f"/v1/{name}/": post(f"/v1/{name}/", {"batch": [ITEM], "writeKey": KEY}) for name in BATCH_PATHS},
    "a big batch": post("/v1/batch", BIG),
    "an empty batch": post("/v1/batch", {"batch": [], "writeKey": KEY}),
    "a batch with a bad call": post("/v1/batch", {"batch": [ITEM, {}, 5], "writeKey": KEY}),
    "a bad call": post("/v1/t", {"userId": "u", "writeKey": KEY}),
    "an odd call": post("/v1/t", {**TRACK, "userId": 7}),
    "a call without a message id": post("/v1/t", {**TRACK, "messageId": None}),
    "a key in the header": post("/v1/t", BARE, f"Authorization: {BASIC}"),
    "a key in the first item": post("/v1/batch", {"batch": [{**ITEM, "writeKey": KEY}]}),
    "a key in both": post("/v1/t", TRACK, f"Authorization: {BASIC}"),
    "other headers": post("/v1/t", TRACK, "User-Agent: analytics-python/2.2", "Connection: keep-alive", "Accept: */*"),
    "lower case": post("/v1/t", TRACK).replace(b"Content-Length", b"content-length"),
    "text that is not ASCII": post("/v1/t", {**TRACK, "event": "Größe \U0001f600"}),
    "half a surrogate pair": post("/v1/t", json.dumps({**TRACK, "event": "\ud83d"}).encode()),
    "behind a proxy": post("/v1/t", {**TRACK, "context": {"direct": True}}, "X-Forwarded-For: 203.0.113.7, 10.0.0.1"),
}  # fmt: skip
"""What the hot path takes."""

UNUSUAL = {
    "a page of another site": post("/v1/t", TRACK, "Origin: https://shop.example"),
    "a compressed body": post("/v1/t", gzip.compress(json.dumps(TRACK).encode()), "Content-Encoding: gzip"),
    "identity": post("/v1/t", TRACK, "Content-Encoding: identity"),
    "chunks": post("/v1/t", b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    "HTTP/1.0": post("/v1/t", TRACK, version="1.0"),
    "HTTP/1.0 kept alive": post("/v1/t", TRACK, "Connection: keep-alive", version="1.0"),
    "a connection to be closed": post("/v1/t", TRACK, "Connection: close"),
    "an upgrade": post("/v1/t", TRACK, "Connection: upgrade", "Upgrade: h2c"),
    "no host": post("/v1/t", TRACK).replace(b"Host: x\r\n", b""),
    "no length": b"POST /v1/t HTTP/1.1\r\nHost: x\r\n\r\n",
    "an empty body": post("/v1/t", b""),
    "two lengths": post("/v1/t", TRACK, "Content-Length: 3", "Content-Length: 3"),
    "a signed length": post("/v1/t", TRACK, length="+40"),
    "a folded header": post("/v1/t", TRACK, "X-Folded: a\r\n b"),
    "a head that ends early": post("/v1/t", TRACK, "X: a\n\nContent-Length: 3"),
    "a bare carriage return": post("/v1/t", TRACK, "X: a\rContent-Length: 3"),
    "a nul in a header": post("/v1/t", TRACK, "X: a\0b"),
    "a long header": post("/v1/t", TRACK, "X: " + "a" * 9_000),
    "many headers": post("/v1/t", TRACK, *(f"X-{n}: {n}" for n in range(130))),
    "a query": post("/v1/t?x=1", TRACK),
    "an escaped path": post("/v1/%74", TRACK),
    "an absolute target": post("http://x/v1/t", TRACK),
    "an unknown path": post("/v1/nothing", TRACK),
    "a beacon": post(f"/beacon/v1/batch?writeKey={KEY}", {"batch": [ITEM]}),
    "metrics of a library": post("/v1/m", {"series": []}),
    "another method": post("/v1/t", TRACK).replace(b"POST", b"PUT"),
    "no JSON": post("/v1/t", b"{"),
    "an array": post("/v1/t", b"[]"),
    "no UTF-8": post("/v1/t", b'{"a": "\xff"}'),
    "too deep": post("/v1/t", b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"),
    "no key": post("/v1/t", BARE),
    "an unknown key": post("/v1/t", {**TRACK, "writeKey": "nope"}),
    "another type in the body": post("/v1/t", {**TRACK, "type": "page"}),
    "too large": post("/v1/t", b" " * (MAX_SINGLE_BYTES + 1)),
    "a batch too large": post("/v1/batch", b" " * (MAX_BATCH_BYTES + 1)),
    "blank lines before it": b"\r\n\r\n" + post("/v1/t", TRACK),
    "a disabled source": post("/v1/t", {**TRACK, "writeKey": "wk_off"}),
    "a source with a rate": post("/v1/t", {**TRACK, "writeKey": "wk_rate"}),
    "a source with origins": post("/v1/t", {**TRACK, "writeKey": "wk_origins"}),
    "a strict source": post("/v1/t", {"userId": "u", "writeKey": "wk_strict"}),
    "a source of another kind": post("/v1/t", {**TRACK, "writeKey": "wk_webhook"}),
}  # fmt: skip
"""What it leaves to the full path."""

SOURCES = (
    FakeSource(),
    FakeSource("off", ("wk_off",), enabled=False),
    FakeSource("slow", ("wk_rate",), rate=Rate(1, 1.0)),
    FakeSource("shop", ("wk_origins",), origins=("https://shop.example",)),
    FakeSource("strict", ("wk_strict",), strict=True),
    FakeSource("hook", ("wk_webhook",), kind="segment-webhook"),
)


PRIVACY = SourcePrivacy(SourcePrivacyConfig(drop=("context.ip",), hash=("userId",)), Hasher(b"0123456789abcdef", True))


async def outcome(
    request: bytes, error: StoreError | None, *, is_hot: bool, privacy: SourcePrivacy | None = None
) -> tuple[Any, int]:
    """The answer, what was stored and what was counted; and how many requests the full path served."""
    acceptor, proxies = RecordingAcceptor(error=error), ("127.0.0.1", "10.0.0.0/8")
    async with serving(*SOURCES, acceptor=acceptor, is_hot=is_hot, proxies=proxies, privacy=privacy) as rig:
        reader, writer = await rig.connect()
        writer.write(request)
        answer = await read_answer(reader)
        # what the connection is still good for
        writer.write(post("/v1/m", {}))
        try:
            after = await read_answer(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            after = b"closed"
        writer.close()
        stored = [(call.message_id if len(call.message_id) < 36 else "made", call) for call in acceptor.calls]
        calls = [(id, c.source, c.type, c.user_key, re.sub(rb'"m":"[^"]+"', b"", c.body)) for id, c in stored]
        return (answer, after, calls, acceptor.discards, counted(rig.metrics)), rig.on_the_full_path


@pytest.mark.parametrize("name", USUAL)
async def test_a_usual_request_gets_the_same_answer_without_the_full_path(name: str) -> None:
    hot, served = await outcome(USUAL[name], None, is_hot=True)
    full, served_fully = await outcome(USUAL[name], None, is_hot=False)
    assert hot == full
    assert hot[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert (served, served_fully) == (1, 2)  # the one after it


@pytest.mark.parametrize(
    "name", ["/v1/track", "/v1/batch/", "a big batch", "a batch with a bad call", "behind a proxy"]
)
async def test_a_source_that_takes_personal_data_keeps_the_hot_path(name: str) -> None:
    hot, served = await outcome(USUAL[name], None, is_hot=True, privacy=PRIVACY)
    full, _ = await outcome(USUAL[name], None, is_hot=False, privacy=PRIVACY)
    assert hot == full
    assert hot != (await outcome(USUAL[name], None, is_hot=True))[0]
    assert served == 1


@pytest.mark.parametrize("name", UNUSUAL)
async def test_an_unusual_request_takes_the_full_path_and_gets_the_same_answer(name: str) -> None:
    hot, served = await outcome(UNUSUAL[name], None, is_hot=True)
    full, served_fully = await outcome(UNUSUAL[name], None, is_hot=False)
    assert hot == full
    assert served == served_fully


@pytest.mark.parametrize("error", [StoreFull(), StoreBusy(), StoreClosed(), StoreError("/var/secret.db")], ids=repr)
async def test_a_store_that_cannot_take_it_gets_the_same_503(error: StoreError) -> None:
    hot, served = await outcome(USUAL["/v1/track"], error, is_hot=True)
    full, _ = await outcome(USUAL["/v1/track"], error, is_hot=False)
    assert hot == full
    assert hot[0].startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert served == 1


@pytest.mark.parametrize("is_hot", [True, False])
async def test_the_answer_has_the_number_of_duplicates_where_there_are_any(is_hot: bool) -> None:
    acceptor = RecordingAcceptor(duplicates=2)
    async with serving(acceptor=acceptor, is_hot=is_hot) as rig:
        reader, writer = await rig.connect()
        writer.write(USUAL["a big batch"])
        assert b"\r\nSegment-Router-Duplicates: 2\r\n" in await read_answer(reader)
        acceptor.duplicates = 0
        writer.write(USUAL["a big batch"])
        assert b"Duplicates" not in await read_answer(reader)
        writer.close()


async def test_a_store_that_takes_nothing_now_is_503_too() -> None:
    class Refusing:
        def accept_soon(self, calls: list[Call], discards: list[Discard], on_done: object) -> None:
            raise StoreBusy

    async with serving(acceptor=Refusing()) as rig:
        reader, writer = await rig.connect()
        for _ in range(2):
            writer.write(post("/v1/t", TRACK))
            assert (await read_answer(reader)).startswith(b"HTTP/1.1 503 ")
        writer.close()
        assert (rig.on_the_full_path, rig.in_flight) == (0, 0)
        assert counted(rig.metrics) == {("website", "503"): 2}


async def test_a_fault_of_ours_is_500_and_a_traceback_for_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(FakeClock, "now_ms", fails)
    async with serving() as rig:
        reader, writer = await rig.connect()
        writer.write(post("/v1/t", TRACK))
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 500 ")
        writer.close()
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


# ---------------------------------------------------------------- pieces


@pytest.mark.parametrize("size", [1, 100, 4_000, 70_000])
async def test_a_body_in_pieces_is_taken_on_the_hot_path(size: int) -> None:
    request = post("/v1/batch", BIG)
    head = request.index(b"\r\n\r\n") + 4
    async with serving() as rig:
        reader, writer = await rig.connect()
        writer.write(request[: head + size])
        await until(lambda: rig.unfinished > 0)
        writer.write(request[head + size :])
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 200 ")
        writer.close()
        assert len(rig.acceptor.calls) == len(BIG["batch"])
        assert (rig.on_the_full_path, rig.in_flight, rig.unfinished) == (0, 0, 0)


async def test_a_head_in_pieces_takes_the_full_path_and_the_next_request_does_not() -> None:
    request = post("/v1/t", TRACK)
    async with serving() as rig:
        reader, writer = await rig.connect()
        writer.write(request[:30])
        connection = await rig.connection()
        await until(lambda: not connection.is_idle)
        writer.write(request[30:])
        await read_answer(reader)
        writer.write(request)
        await read_answer(reader)
        writer.close()
        assert rig.on_the_full_path == 1
        assert len(rig.acceptor.calls) == 2


async def test_a_body_that_is_slow_goes_on_on_the_full_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PIECES_TIMEOUT_S", 0.0)
    request = post("/v1/t", TRACK)
    async with serving() as rig:
        reader, writer = await rig.connect()
        writer.write(request[:-10])
        await until(lambda: rig.on_the_full_path == 1)
        writer.write(request[-10:])
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 200 ")
        writer.close()
        assert len(rig.acceptor.calls) == 1


async def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_nothing_behind() -> None:
    async with serving() as rig:
        _, writer = await rig.connect()
        writer.write(post("/v1/t", TRACK)[:-10])
        await until(lambda: rig.unfinished > 0)
        writer.transport.abort()
        await until(lambda: rig.unfinished == 0)
        assert rig.on_the_full_path == 0


# ---------------------------------------------------------------- one after the other


async def test_requests_that_come_together_are_each_answered_in_order() -> None:
    async with serving() as rig:
        reader, writer = await rig.connect()
        writer.write(b"".join([
            post("/v1/t", {**TRACK, "messageId": "m1"}), post("/v1/t", {**TRACK, "messageId": "m2"}),
            post("/v1/t", b"{"), post("/v1/t", {**TRACK, "messageId": "m3"}),
        ]))  # fmt: skip
        answers = [await read_answer(reader) for _ in range(4)]
        writer.close()
        assert [answer[9:12] for answer in answers] == [b"200", b"200", b"400", b"200"]
        assert [call.message_id for call in rig.acceptor.calls] == ["m1", "m2", "m3"]


async def test_what_comes_while_a_call_is_stored_waits_for_its_answer() -> None:
    async with serving(acceptor=RecordingAcceptor(gate=asyncio.Event())) as rig:
        gate = rig.acceptor.gate
        assert gate is not None
        reader, writer = await rig.connect()
        writer.write(post("/v1/t", TRACK))
        await rig.acceptor.asked.wait()
        writer.write(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        connection = await rig.connection()
        await until(lambda: bool(connection._hot._behind))
        gate.set()
        assert [(await read_answer(reader))[9:12] for _ in range(2)] == [b"200", b"404"]
        writer.close()


async def test_a_client_that_sends_on_and_on_while_a_call_is_stored_is_not_read_until_it_is_answered() -> None:
    async with serving(acceptor=RecordingAcceptor(gate=asyncio.Event())) as rig:
        gate = rig.acceptor.gate
        assert gate is not None
        reader, writer = await rig.connect()
        writer.write(post("/v1/t", TRACK))
        await rig.acceptor.asked.wait()
        connection = await rig.connection()
        request = post("/v1/batch", BIG)
        many = 100
        writer.write(request * many)
        await until(lambda: not connection.transport.is_reading())
        assert MAX_BEHIND_BYTES <= len(connection._hot._behind) < len(request) * many / 4
        gate.set()
        for _ in range(1 + many):
            assert (await read_answer(reader)).startswith(b"HTTP/1.1 200 ")
        writer.close()
        assert len(rig.acceptor.calls) == 1 + many * len(BIG["batch"])


async def test_a_usual_request_behind_one_on_the_full_path_is_not_answered_before_it() -> None:
    async with serving(acceptor=RecordingAcceptor(gate=asyncio.Event())) as rig:
        gate = rig.acceptor.gate
        assert gate is not None
        reader, writer = await rig.connect()
        writer.write(post("/v1/t", TRACK, "Origin: https://a.example"))
        await rig.acceptor.asked.wait()
        writer.write(post("/v1/batch", {"batch": [], "writeKey": KEY}))
        gate.set()
        assert b"Access-Control-Allow-Origin" in await read_answer(reader)
        assert b"Access-Control-Allow-Origin" not in await read_answer(reader)
        writer.close()


async def test_a_client_that_leaves_while_its_call_is_stored_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(acceptor=RecordingAcceptor(gate=asyncio.Event())) as rig:
        gate = rig.acceptor.gate
        assert gate is not None
        _, writer = await rig.connect()
        writer.write(post("/v1/t", TRACK) * 2)
        await rig.acceptor.asked.wait()
        writer.transport.abort()
        await until(lambda: not rig.server.connections)
        assert rig.in_flight == 1  # it is on its way into the store
        gate.set()
        await until(lambda: rig.in_flight == 0)
        assert len(rig.acceptor.calls) == 1
        assert counted(rig.metrics) == {("website", "200"): 1}
    assert caplog.records == []


async def test_a_client_that_does_not_read_its_answers_is_held_up_by_the_full_path() -> None:
    async with serving() as rig:
        reader, writer = await rig.connect()
        connection = await rig.connection()
        connection.pause_writing()
        writer.write(post("/v1/t", TRACK))
        await until(lambda: rig.on_the_full_path == 1)
        connection.resume_writing()
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 200 ")
        writer.close()


# ---------------------------------------------------------------- its bounds and its end


async def test_a_connection_is_not_closed_for_idling_while_its_call_is_stored_but_afterwards() -> None:
    async with serving(acceptor=RecordingAcceptor(gate=asyncio.Event())) as rig:
        gate = rig.acceptor.gate
        assert gate is not None
        reader, writer = await rig.connect()
        writer.write(post("/v1/t", TRACK))
        await rig.acceptor.asked.wait()
        connection = await rig.connection()
        run_out(connection)
        gate.set()
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 200 ")
        assert connection._next_keepalive_close_time > asyncio.get_running_loop().time()
        run_out(connection)
        assert await reader.read() == b""
        writer.close()


def run_out(connection: Any) -> None:
    """The idle time-out of a connection is over."""
    connection._keepalive_handle.cancel()
    connection._next_keepalive_close_time = 0.0
    connection._process_keepalive()


async def test_a_body_on_its_way_takes_nobodys_place_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_IN_FLIGHT", 1)
    async with serving() as rig:
        _, slow = await rig.connect()
        slow.write(post("/v1/t", TRACK)[:-10])
        await until(lambda: rig.unfinished > 0)
        reader, writer = await rig.connect()
        writer.write(post("/v1/t", TRACK))
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 200 ")
        slow.close()
        writer.close()


async def test_a_call_that_is_stored_while_the_listener_drains_is_the_last_one_on_its_connection() -> None:
    async with serving(acceptor=RecordingAcceptor(gate=asyncio.Event())) as rig:
        gate = rig.acceptor.gate
        assert gate is not None
        reader, writer = await rig.connect()
        writer.write(post("/v1/t", TRACK))
        await rig.acceptor.asked.wait()
        draining = asyncio.create_task(rig.runner.drain())
        await asyncio.sleep(0)
        gate.set()
        answer = await reader.read()
        writer.close()
        await draining
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n\r\n" in answer


async def test_an_application_of_another_kind_has_no_hot_path() -> None:
    app = web.Application()
    app[LISTENER] = Listener("other", limits.ADMIN, Metrics())
    runner = make_runner(app)
    await runner.setup()
    assert isinstance(runner.server, IngestServer)
    assert (runner.server.hot_path, HOT_PATH in runner.app) == (None, False)
    await runner.cleanup()


# ---------------------------------------------------------------- upgrades


H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
ASKS = post("/v1/t", TRACK, *H2C)
CHUNKED = post("/v1/t", b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked", *H2C)


@pytest.mark.parametrize(
    "pieces",
    [[ASKS + ASKS], [ASKS[:-1], ASKS[-1:] + ASKS], [ASKS[:-9], ASKS[-9:-5], ASKS[-5:] + ASKS], [ASKS * 2 + ASKS],
     [post("/v1/t", TRACK) + ASKS + ASKS], [CHUNKED + ASKS]],
)  # fmt: skip
async def test_who_asks_for_an_upgrade_and_sends_on_is_told_which_requests_are_not_answered(
    pieces: list[bytes],
) -> None:
    async with serving() as rig:
        reader, writer = await rig.connect()
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.05)  # so that it is not read together with the next one
        answers = await reader.read()
        assert b"Connection: close\r\n" in answers.rpartition(b"HTTP/1.1 ")[2]
        writer.close()


@pytest.mark.parametrize("at", [len(ASKS), -5, 40])
async def test_who_waits_for_each_answer_keeps_the_connection(at: int) -> None:
    async with serving() as rig:
        reader, writer = await rig.connect()
        for _ in range(3):
            writer.write(ASKS[:at])
            await asyncio.sleep(0.05)
            writer.write(ASKS[at:])
            answer = await read_answer(reader)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"Connection: close" not in answer
        writer.close()
