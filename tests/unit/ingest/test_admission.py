"""Who may send what: keys of the neighbours' libraries, rates, and the marks a source sets."""

from __future__ import annotations

import logging

import pytest

from router.config import Rate
from router.event import normalize_event
from router.ingest.write_key import Sources
from tests.unit.ingest.rig import KEY, TRACK, Client, FakeClock, FakeSource, RecordingAcceptor, failure

BARE = {key: value for key, value in TRACK.items() if key != "writeKey"}
ITEM = {**BARE, "type": "track"}


class TestJitsu:
    @pytest.mark.parametrize("path", ["/api/s/track", "/api/s/s2s/track", "/api/s/track/"])
    @pytest.mark.parametrize("key", [f"{KEY}:secret", KEY])
    async def test_its_key_is_in_a_header_and_masked_in_the_body(
        self, client: Client, acceptor: RecordingAcceptor, path: str, key: str
    ) -> None:
        call = {**BARE, "writeKey": f"{KEY}:***", "context": {"library": {"name": "@jitsu/js"}}}
        answer = await client.post(path, json=call, headers={"X-Write-Key": key})
        assert (answer.status, await answer.json()) == (200, {"success": True})
        (stored,) = acceptor.calls
        event = normalize_event(stored.source, stored.type, stored.message_id, stored.received_at, stored.body)
        assert (event.type, event.name, event.payload["context"]["ip"]) == ("track", "E", "127.0.0.1")
        assert "writeKey" not in event.payload

    async def test_the_body_s_key_is_never_believed(self, client: Client, acceptor: RecordingAcceptor) -> None:
        assert await failure(await client.post("/api/s/track", json=TRACK)) == (401, "missing_write_key")
        answer = await client.post("/api/s/track", json=TRACK, headers={"X-Write-Key": "nope:x"})
        assert await failure(answer) == (401, "invalid_write_key")
        assert not acceptor.asked.is_set()


class TestBeacon:
    async def test_its_key_is_in_the_url(self, client: Client, acceptor: RecordingAcceptor) -> None:
        url = f"/beacon/v1/batch?writeKey={KEY}"
        answer = await client.post(url, json={"batch": [ITEM]}, headers={"Content-Type": "text/plain"})
        assert answer.status == 200
        assert [call.message_id for call in acceptor.calls] == ["m1"]

    async def test_other_batches_take_no_key_from_the_url(self, client: Client) -> None:
        answer = await client.post(f"/v1/batch?writeKey={KEY}", json={"batch": [ITEM]})
        assert await failure(answer) == (401, "missing_write_key")


class TestKinds:
    async def test_the_key_of_a_webhook_sends_no_calls_of_libraries(
        self, client: Client, sources: Sources, acceptor: RecordingAcceptor
    ) -> None:
        sources.replace([FakeSource(kind="segment-webhook")])
        for path, body in (("/v1/t", TRACK), ("/v1/batch", {"batch": [ITEM], "writeKey": KEY})):
            assert await failure(await client.post(path, json=body)) == (401, "invalid_write_key")
        assert not acceptor.asked.is_set()


class TestRate:
    async def test_beyond_it_the_answer_is_429_with_whole_seconds_to_wait(
        self, client: Client, sources: Sources, acceptor: RecordingAcceptor, clock: FakeClock
    ) -> None:
        sources.replace([FakeSource(rate=Rate(2, 1.0))])
        for _ in range(2):
            assert (await client.post("/v1/t", json=TRACK)).status == 200
        answer = await client.post("/v1/t", json=TRACK)
        assert await failure(answer) == (429, "rate_exceeded")
        assert (answer.headers["Retry-After"], answer.headers["X-RateLimit-Reset"]) == ("1", "1")
        assert len(acceptor.calls) == 2
        clock.now += 500
        assert (await client.post("/v1/t", json=TRACK)).status == 200
        assert (await client.post("/v1/t", json=TRACK)).status == 429

    async def test_a_batch_counts_each_call_and_one_larger_than_the_rate_passes_in_debt(
        self, client: Client, sources: Sources, clock: FakeClock
    ) -> None:
        sources.replace([FakeSource(rate=Rate(10, 1.0))])
        batch = {"batch": [ITEM] * 40, "writeKey": KEY}
        assert (await client.post("/v1/batch", json=batch)).status == 200
        answer = await client.post("/v1/t", json=TRACK)
        assert (answer.status, answer.headers["Retry-After"]) == (429, "4")
        clock.now += 3_000
        assert (await client.post("/v1/t", json=TRACK)).status == 429
        clock.now += 100
        assert (await client.post("/v1/t", json=TRACK)).status == 200

    async def test_a_quiet_time_is_not_saved_up(self, client: Client, sources: Sources, clock: FakeClock) -> None:
        sources.replace([FakeSource(rate=Rate(1, 60.0))])
        assert (await client.post("/v1/t", json=TRACK)).status == 200
        clock.now += 3_600_000
        assert (await client.post("/v1/t", json=TRACK)).status == 200
        answer = await client.post("/v1/t", json=TRACK)
        assert (answer.status, answer.headers["Retry-After"]) == (429, "60")

    async def test_a_reload_keeps_what_is_used_up_unless_the_rate_is_another(
        self, client: Client, sources: Sources
    ) -> None:
        sources.replace([FakeSource(rate=Rate(1, 1.0))])
        assert (await client.post("/v1/t", json=TRACK)).status == 200
        sources.replace([FakeSource(rate=Rate(1, 1.0))])
        assert (await client.post("/v1/t", json=TRACK)).status == 429
        sources.replace([FakeSource(rate=Rate(2, 1.0))])
        assert (await client.post("/v1/t", json=TRACK)).status == 200

    async def test_sources_do_not_share_it(self, client: Client, sources: Sources) -> None:
        sources.replace([FakeSource(rate=Rate(1, 1.0)), FakeSource("b", ("wk_b",), rate=Rate(1, 1.0))])
        for key in (KEY, "wk_b"):
            assert (await client.post("/v1/t", json={**TRACK, "writeKey": key})).status == 200


class TestTypes:
    async def test_the_path_wins_over_the_body_and_the_difference_is_logged(
        self, client: Client, acceptor: RecordingAcceptor, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, "router.ingest"):
            await client.post("/v1/t", json={**TRACK, "type": "page"})
            await client.post("/v1/t", json={**TRACK, "type": "track"})
        assert [call.type for call in acceptor.calls] == ["track", "track"]
        (record,) = caplog.records
        assert record.getMessage() == "source website: type 'page' in the body of a call to /v1/t"
