"""The HTTP side, over real sockets, with an acceptor that only records."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from yarl import URL

from router.errors import StoreAway, StoreBusy, StoreClosed, StoreError, StoreFull
from router.event import normalize_event
from router.ingest import limits
from router.ingest.limits import MAX_BATCH_BYTES, MAX_SINGLE_BYTES
from router.ingest.routes import BATCH_PATHS, SINGLE_PATHS, make_app
from router.ingest.write_key import Sources
from tests.unit.ingest.rig import (
    KEY,
    NOW,
    TRACK,
    Client,
    FakeClock,
    FakeSource,
    IngestTestServer,
    RecordingAcceptor,
    failure,
)

FOLDER = Path(__file__).parents[2] / "fixtures" / "captures"
CAPTURES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


class TestRoutes:
    @pytest.mark.parametrize("slash", ["", "/"])
    @pytest.mark.parametrize(("type", "name"), [(type, name) for type, names in SINGLE_PATHS.items() for name in names])
    async def test_each_path_of_a_single_call_takes_its_type(
        self, client: Client, acceptor: RecordingAcceptor, type: str, name: str, slash: str
    ) -> None:
        response = await client.post(f"/v1/{name}{slash}", json={**TRACK, "groupId": "g", "previousId": "p"})
        assert (response.status, await response.json()) == (200, {"success": True})
        assert response.content_type == "application/json"
        assert [call.type for call in acceptor.calls] == [type]
        assert acceptor.calls[0].received_at == NOW

    @pytest.mark.parametrize("slash", ["", "/"])
    @pytest.mark.parametrize("name", BATCH_PATHS)
    async def test_each_path_of_a_batch_takes_a_batch(
        self, client: Client, acceptor: RecordingAcceptor, name: str, slash: str
    ) -> None:
        batch = {"batch": [{**TRACK, "type": "track"}, {"type": "track"}], "writeKey": KEY}
        response = await client.post(f"/v1/{name}{slash}", json=batch)
        assert response.status == 200
        assert [call.message_id for call in acceptor.calls] == ["m1"]
        assert [discard.code for discard in acceptor.discards] == ["event_not_defined"]

    @pytest.mark.parametrize("path", ["//v1/track", "//v1/track/"])
    async def test_a_slash_too_many_at_the_start_does_not_matter(
        self, client: Client, acceptor: RecordingAcceptor, path: str
    ) -> None:
        response = await client.session.post(URL(f"http://{client.host}:{client.port}{path}", encoded=True), json=TRACK)
        assert response.status == 200
        assert [call.message_id for call in acceptor.calls] == ["m1"]

    async def test_metrics_of_client_libraries_are_answered_and_dropped(
        self, client: Client, acceptor: RecordingAcceptor
    ) -> None:
        response = await client.post("/v1/m", json={"series": [{}]})
        assert (response.status, await response.json()) == (200, {"success": True})
        assert not acceptor.asked.is_set()

    @pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=utf-8", "nonsense", ""])
    async def test_the_content_type_is_ignored(
        self, client: Client, acceptor: RecordingAcceptor, content_type: str
    ) -> None:
        response = await client.post("/v1/t", data=json.dumps(TRACK), headers={"Content-Type": content_type})
        assert response.status == 200
        assert len(acceptor.calls) == 1

    async def test_other_paths_and_methods_are_refused_in_json(self, client: Client) -> None:
        assert await failure(await client.post("/v1/nothing")) == (404, "not_found")
        assert await failure(await client.get("/")) == (404, "not_found")
        response = await client.get("/v1/track")
        assert await failure(response) == (405, "method_not_allowed")
        assert response.headers["Allow"] == "OPTIONS, POST"

    async def test_an_empty_batch_is_fine_and_asks_nobody(self, client: Client, acceptor: RecordingAcceptor) -> None:
        assert (await client.post("/v1/batch", json={"batch": [], "writeKey": KEY})).status == 200
        assert not acceptor.asked.is_set()


class TestAnswers:
    async def test_200_comes_only_after_the_acceptor_has_returned(
        self, client: Client, acceptor: RecordingAcceptor
    ) -> None:
        acceptor.gate = asyncio.Event()
        request = asyncio.create_task(client.post("/v1/track", json=TRACK).__aenter__())
        await acceptor.asked.wait()
        assert not request.done()
        acceptor.gate.set()
        assert (await request).status == 200

    @pytest.mark.parametrize(
        ("error", "code", "wait_s"),
        [
            (StoreFull(), "store_full", "30"),
            (StoreBusy(), "store_busy", "1"),
            (StoreAway(), "store_away", "2"),
            (StoreClosed(), "store_closed", "5"),
            (StoreError("/var/secret.db: disk I/O error"), "store_error", "5"),
        ],
    )
    async def test_a_store_that_cannot_take_it_is_503_with_whole_seconds_to_wait(
        self, client: Client, acceptor: RecordingAcceptor, error: StoreError, code: str, wait_s: str
    ) -> None:
        acceptor.error = error
        response = await client.post("/v1/track", json=TRACK)
        assert response.headers["Retry-After"] == wait_s
        assert await failure(response) == (503, code)
        assert "secret" not in await response.text()

    async def test_a_fault_of_ours_is_500_for_the_client_and_a_traceback_for_the_log(
        self, client: Client, acceptor: RecordingAcceptor, caplog: pytest.LogCaptureFixture
    ) -> None:
        acceptor.error = ConnectionError("boom")
        response = await client.post("/v1/track", json=TRACK)
        assert await failure(response) == (500, "internal_error")
        assert "boom" not in await response.text()
        assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [acceptor.error]

    async def test_a_bad_call_is_200_and_a_discard(self, client: Client, acceptor: RecordingAcceptor) -> None:
        assert (await client.post("/v1/track", json={"userId": "u", "writeKey": KEY})).status == 200
        assert [(discard.source, discard.code) for discard in acceptor.discards] == [("website", "event_not_defined")]

    async def test_a_strict_source_refuses_a_bad_single_call_but_no_batch(
        self, client: Client, acceptor: RecordingAcceptor, sources: Sources
    ) -> None:
        sources.replace([FakeSource(strict=True)])
        response = await client.post("/v1/track", json={"userId": "u", "writeKey": KEY})
        assert await failure(response) == (400, "event_not_defined")
        assert [(discard.source, discard.code) for discard in acceptor.discards] == [("website", "event_not_defined")]
        assert (await client.post("/v1/batch", json={"batch": [{}], "writeKey": KEY})).status == 200

    async def test_a_disabled_source_is_answered_and_dropped_with_one_discard(
        self, client: Client, acceptor: RecordingAcceptor, sources: Sources
    ) -> None:
        sources.replace([FakeSource(enabled=False, strict=True)])
        assert (await client.post("/v1/batch", json={"batch": [TRACK, TRACK], "writeKey": KEY})).status == 200
        assert (await client.post("/v1/track", json=TRACK)).status == 200
        assert acceptor.calls == []
        assert [(discard.code, discard.n) for discard in acceptor.discards] == [
            ("source_disabled", 2),
            ("source_disabled", 1),
        ]


class TestWriteKeys:
    async def test_it_may_be_in_the_body_the_header_or_the_first_item(
        self, client: Client, acceptor: RecordingAcceptor
    ) -> None:
        bare = {**TRACK, "type": "track", "writeKey": None}
        header = "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
        for body, headers in (
            ({"batch": [bare], "writeKey": KEY}, {}),
            ({"batch": [bare], "writeKey": KEY}, {"Authorization": "Bearer token"}),
            ({"batch": [bare]}, {"Authorization": header}),
            ({"batch": [{**bare, "writeKey": KEY}, bare]}, {}),
        ):
            assert (await client.post("/v1/batch", json=body, headers=headers)).status == 200
        assert len(acceptor.calls) == 5
        assert not any(KEY.encode() in call.body for call in acceptor.calls)

    async def test_a_missing_or_unknown_one_is_401(self, client: Client, acceptor: RecordingAcceptor) -> None:
        body = {**TRACK, "writeKey": None}
        assert await failure(await client.post("/v1/track", json=body)) == (401, "missing_write_key")
        body = {**TRACK, "writeKey": "nope"}
        assert await failure(await client.post("/v1/track", json=body)) == (401, "invalid_write_key")
        assert not acceptor.asked.is_set()


class TestBodies:
    @pytest.mark.parametrize(
        ("encoding", "pack"), [("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress)]
    )
    @pytest.mark.parametrize("chunked", [False, True])
    async def test_compressed_bodies_are_inflated_also_without_a_length(
        self, client: Client, acceptor: RecordingAcceptor, encoding: str, pack: Callable[[bytes], bytes], chunked: bool
    ) -> None:
        data = pack(json.dumps(TRACK).encode())

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(data), 20):
                yield data[start : start + 20]

        headers = {"Content-Encoding": encoding}
        response = await client.post("/v1/track", data=chunks() if chunked else data, headers=headers)
        assert response.status == 200
        assert [call.message_id for call in acceptor.calls] == ["m1"]

    @pytest.mark.parametrize(("path", "limit"), [("/v1/track", MAX_SINGLE_BYTES), ("/v1/batch", MAX_BATCH_BYTES)])
    async def test_a_body_over_its_limit_is_refused_plain_compressed_or_chunked(
        self, client: Client, acceptor: RecordingAcceptor, path: str, limit: int
    ) -> None:
        big = b" " * (limit + 1)

        async def chunks() -> AsyncIterator[bytes]:
            yield big

        for data, headers in ((big, {}), (chunks(), {}), (gzip.compress(big), {"Content-Encoding": "gzip"})):
            assert await failure(await client.post(path, data=data, headers=headers)) == (413, "payload_too_large")
        assert not acceptor.asked.is_set()

    async def test_a_batch_just_within_its_limit_is_taken(self, client: Client, acceptor: RecordingAcceptor) -> None:
        body = json.dumps({"batch": [{**TRACK, "type": "track"}], "writeKey": KEY}).encode().ljust(MAX_BATCH_BYTES)
        assert (await client.post("/v1/batch", data=body)).status == 200
        assert len(acceptor.calls) == 1

    @pytest.mark.parametrize("data", [b"", b"{", b'{"a":nan}', b'{"a":"\xff"}', b"[" * 50_000, b"[]"])
    async def test_what_is_no_json_object_is_400(
        self, client: Client, data: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        for path in ("/v1/track", "/v1/batch"):
            response = await client.post(path, data=data)
            status, code = await failure(response)
            assert ((status, code) in ((400, "invalid_json"), (413, "payload_too_large")), caplog.records) == (True, [])

    async def test_gzip_is_not_guessed_from_the_bytes(self, client: Client) -> None:
        response = await client.post("/v1/track", data=gzip.compress(json.dumps(TRACK).encode()))
        assert await failure(response) == (400, "invalid_json")

    async def test_a_body_that_does_not_arrive_is_given_up(
        self, send: Callable[[bytes], Awaitable[Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "BODY_TIMEOUT_S", 0)
        status, body = await send(b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        assert (status, body["code"]) == (408, "body_timeout")


class TestMalformedHttp:
    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"nonsense\r\n\r\n",
            b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
            b"POST /v1/track HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n",
            b"GET /v1/track\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        ],
    )
    async def test_it_is_answered_in_json_and_prints_nothing(
        self, send: Callable[[bytes], Awaitable[Any]], request_bytes: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        status, body = await send(request_bytes)
        assert (status, body["success"], body["code"]) == (400, False, "invalid_http")
        assert caplog.records == []

    async def test_a_broken_chunk_is_answered_in_json_too(
        self, send: Callable[[bytes], Awaitable[Any]], acceptor: RecordingAcceptor, caplog: pytest.LogCaptureFixture
    ) -> None:
        head = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        status, body = await send(head + b'5\r\n{"a":\r\nzz\r\n')
        assert (status, body["code"]) == (400, "invalid_http")
        assert caplog.records == []

    async def test_a_client_that_leaves_in_the_middle_of_its_body_disturbs_nobody(
        self, client: Client, acceptor: RecordingAcceptor, caplog: pytest.LogCaptureFixture
    ) -> None:
        _, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        await writer.drain()
        writer.transport.abort()
        assert (await client.post("/v1/track", json=TRACK)).status == 200
        assert (len(acceptor.calls), caplog.records) == (1, [])


class TestClientIp:
    @pytest.mark.parametrize(
        ("forwarded", "ip"),
        [
            (None, "127.0.0.1"),
            ("203.0.113.7", "203.0.113.7"),
            ("198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
            ("10.1.2.3", "10.1.2.3"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("2001:DB8::1", "2001:db8::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("203.0.113.7, unknown", None),
        ],
    )
    async def test_it_is_the_last_hop_that_is_no_trusted_proxy(
        self, client: Client, acceptor: RecordingAcceptor, forwarded: str | None, ip: str | None
    ) -> None:
        call = {**TRACK, "context": {"library": {"name": "analytics.js"}}}
        await client.post("/v1/track", json=call, headers={"X-Forwarded-For": forwarded} if forwarded else {})
        (stored,) = acceptor.calls
        event = normalize_event(stored.source, stored.type, stored.message_id, stored.received_at, stored.body)
        assert event.payload["context"].get("ip") == ip

    async def test_a_forwarded_address_is_not_believed_from_others(
        self, acceptor: RecordingAcceptor, sources: Sources
    ) -> None:
        client: Client
        async with TestClient(IngestTestServer(make_app(acceptor, sources, FakeClock()))) as client:
            await client.post("/v1/track", json=TRACK, headers={"X-Forwarded-For": "203.0.113.7"})
        assert b"203.0.113.7" not in acceptor.calls[0].body


class TestCaptures:
    @pytest.mark.parametrize("name", CAPTURES)
    async def test_recorded_requests_replayed_byte_for_byte_are_each_taken_whole(
        self, client: Client, acceptor: RecordingAcceptor, name: str
    ) -> None:
        expected: list[str] = []
        for request in CAPTURES[name]["requests"]:
            skipped = ("host", "connection", "content-length")
            headers = [(name, value) for name, value in request["headers"] if name.lower() not in skipped]
            body = base64.b64decode(request["body_base64"])
            response = await client.request(request["method"], request["path"], data=body, headers=headers)
            assert (response.status, await response.json()) == (200, {"success": True})
            expected += [item["messageId"] for item in request["body_json"]["batch"]]
        assert [call.message_id for call in acceptor.calls] == expected
        assert acceptor.discards == []
        assert not any(KEY.encode() in call.body for call in acceptor.calls)
