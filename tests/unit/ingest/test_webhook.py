"""Segment's Webhooks destination as a source: bodies, signatures, clocks, deletions."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from typing import Any

import pytest

from router.errors import InvalidCall
from router.event import normalize_event
from router.ingest import limits
from router.ingest.limits import MAX_BATCH_BYTES, MAX_WEBHOOK_BYTES
from router.ingest.webhook import check_signature, first_element, parse_webhook
from router.ingest.write_key import Sources
from router.plugin import Event
from tests.unit.ingest.rig import KEY, Client, FakeSource, RecordingAcceptor, failure

EVENT: dict[str, Any] = {
    "type": "track", "event": "Order Completed", "userId": "u1", "messageId": "m1", "version": 2,
    "originalTimestamp": "2025-01-01T10:00:00.000Z", "sentAt": "2025-01-01T10:00:05.000Z",
    "timestamp": "2025-01-01T09:59:59.000Z", "receivedAt": "2025-01-01T10:00:04.000Z",
    "context": {"ip": "203.0.113.7", "library": {"name": "analytics.js"}}, "integrations": {"All": True},
}  # fmt: skip
URL = f"/v1/webhook/{KEY}"
#: as JavaScript writes it and Python would not
RAW = b'{"type":"track","event":"Caf\\u00e9","userId":"u1","properties":{"price":1e21,"ratio":1.0},"messageId":"m1"}'


def sign(secret: str, body: bytes) -> dict[str, str]:
    return {"X-Signature": hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}


def opened(acceptor: RecordingAcceptor) -> list[Event]:
    return [normalize_event(c.source, c.type, c.message_id, c.received_at, c.body) for c in acceptor.calls]


@pytest.fixture(autouse=True)
def webhook(sources: Sources) -> None:
    sources.replace([FakeSource(kind="segment-webhook")])


class TestBodies:
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
    async def test_an_event_is_taken_with_its_own_id(
        self, client: Client, acceptor: RecordingAcceptor, method: str
    ) -> None:
        answer = await client.request(method, URL, json=EVENT)
        assert (answer.status, await answer.json()) == (200, {"success": True})
        (event,) = opened(acceptor)
        assert (event.message_id, event.type, event.payload["context"]["ip"]) == ("m1", "track", "203.0.113.7")

    async def test_an_array_is_as_many_events(self, client: Client, acceptor: RecordingAcceptor) -> None:
        events = [EVENT, {**EVENT, "messageId": "m2"}, {"type": "track", "userId": "u"}, 7, []]
        assert (await client.post(URL, json=events)).status == 200
        assert [call.message_id for call in acceptor.calls] == ["m1", "m2"]
        codes = [discard.code for discard in acceptor.discards]
        assert codes == ["event_not_defined", "not_an_object", "not_an_object"]

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"7", b'"x"', b'{"a":1},{"b":2}', b"[1", b"{}]", b"\xff", b"[" * 9_999]
    )
    async def test_what_is_neither_is_400(self, client: Client, body: bytes) -> None:
        assert await failure(await client.post(URL, data=body)) == (400, "invalid_json")

    async def test_an_empty_array_is_fine(self, client: Client, acceptor: RecordingAcceptor) -> None:
        assert (await client.post(URL, data=b" [ ] ")).status == 200
        assert not acceptor.asked.is_set()

    async def test_a_thousand_whole_events_fit(self, client: Client, acceptor: RecordingAcceptor) -> None:
        events = [{**EVENT, "messageId": f"m{n}", "properties": {"x": "y" * 1_500}} for n in range(1_000)]
        body = json.dumps(events).encode()
        assert MAX_BATCH_BYTES < len(body) < MAX_WEBHOOK_BYTES
        assert (await client.post(URL, data=io.BytesIO(body))).status == 200
        assert len(acceptor.calls) == 1_000

    async def test_a_deletion_is_stored(self, client: Client, acceptor: RecordingAcceptor) -> None:
        body = {"type": "delete", "userId": "u1", "timestamp": "2025-01-01T10:00:00.000Z"}
        assert (await client.post(URL, json=body)).status == 200
        (event,) = opened(acceptor)
        assert (event.type, event.user_id, acceptor.calls[0].user_key) == ("delete", "u1", "u:u1")

    async def test_a_deletion_comes_by_no_other_way(
        self, client: Client, acceptor: RecordingAcceptor, sources: Sources
    ) -> None:
        sources.replace([FakeSource()])
        body = {"batch": [{"type": "delete", "userId": "u1"}], "writeKey": KEY}
        assert (await client.post("/v1/batch", json=body)).status == 200
        assert [discard.code for discard in acceptor.discards] == ["unknown_type"]


class TestClocks:
    async def test_a_corrected_instant_is_not_corrected_again(
        self, client: Client, acceptor: RecordingAcceptor
    ) -> None:
        mapped = {key: value for key, value in EVENT.items() if key != "originalTimestamp"}
        await client.post(URL, json=[EVENT, mapped, {**mapped, "originalTimestamp": None}])
        for event in opened(acceptor):
            assert event.payload["timestamp"] == "2025-01-01T09:59:59.000Z"
        assert opened(acceptor)[0].payload["originalTimestamp"] == "2025-01-01T10:00:00.000Z"

    def test_all_other_bytes_stay_as_they_are(self) -> None:
        (call,), _ = parse_webhook(RAW).calls("s", 0, None)
        assert call.body.partition(b"\n")[2] == RAW


class TestKeys:
    @pytest.mark.parametrize(
        ("path", "headers"),
        [
            (URL, {}),
            (f"/v1/webhook?writeKey={KEY}", {}),
            ("/v1/webhook", {"X-Write-Key": KEY}),
            ("/v1/webhook/", {"Authorization": "Basic d2tfdGVzdF8xMjM6"}),
        ],
    )
    async def test_the_key_is_in_the_url_or_a_header(self, client: Client, path: str, headers: dict[str, str]) -> None:
        assert (await client.post(path, json=EVENT, headers=headers)).status == 200

    async def test_it_is_not_in_the_event(self, client: Client) -> None:
        answer = await client.post("/v1/webhook", json={**EVENT, "writeKey": KEY})
        assert await failure(answer) == (401, "missing_write_key")

    async def test_the_key_of_another_kind_is_refused(self, client: Client, sources: Sources) -> None:
        sources.replace([FakeSource(), FakeSource("hooks", ("other",), kind="segment-webhook")])
        assert await failure(await client.post(URL, json=EVENT)) == (401, "invalid_write_key")

    async def test_where_no_source_takes_webhooks_there_is_no_such_path(self, client: Client, sources: Sources) -> None:
        sources.replace([FakeSource()])
        assert await failure(await client.post(URL, json=EVENT)) == (404, "not_found")


class TestSignatures:
    @pytest.fixture(autouse=True)
    def signed(self, sources: Sources) -> None:
        sources.replace([FakeSource(kind="segment-webhook", secrets=("old", "new"))])

    @pytest.mark.parametrize("secret", ["old", "new"])
    async def test_either_secret_is_valid_over_the_raw_bytes(
        self, client: Client, acceptor: RecordingAcceptor, secret: str
    ) -> None:
        assert (await client.post(URL, data=RAW, headers=sign(secret, RAW))).status == 200
        assert len(acceptor.calls) == 1

    @pytest.mark.parametrize("body", [b"[%s]", b" [ \n%s , {}]", b'[%s,{"a":1}]\n'])
    async def test_of_an_array_the_first_element_is_signed_as_it_stands(self, client: Client, body: bytes) -> None:
        assert (await client.post(URL, data=body % RAW, headers=sign("new", RAW))).status == 200

    async def test_an_element_with_half_an_emoji_is_cut_out_unchanged(self, client: Client) -> None:
        raw = RAW.replace(b"Caf", b"\\ud83d Caf")
        assert (await client.post(URL, data=b"[" + raw + b"]", headers=sign("old", raw))).status == 200

    async def test_a_wrong_or_missing_one_is_401(self, client: Client, acceptor: RecordingAcceptor) -> None:
        reserialised = json.dumps(json.loads(RAW)).encode()
        for headers in (sign("other", RAW), sign("old", reserialised), {"X-Signature": "ü"}, {"X-Signature": "0"}):
            assert await failure(await client.post(URL, data=RAW, headers=headers)) == (401, "invalid_signature")
        assert await failure(await client.post(URL, data=RAW)) == (401, "missing_signature")
        whole = b"[" + RAW + b"]"
        answer = await client.post(URL, data=whole, headers=sign("old", whole))
        assert await failure(answer) == (401, "invalid_signature")
        assert not acceptor.asked.is_set()

    def test_upper_case_is_the_same(self) -> None:
        check_signature(RAW, sign("new", RAW)["X-Signature"].upper(), ("old", "new"))

    @pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 400)])
    async def test_the_element_that_is_signed_has_a_bound(self, client: Client, more: int, status: int) -> None:
        empty = b'{"type":"track","userId":"u","event":"E","properties":{"x":"%s"}}'
        first = empty % (b"x" * (limits.MAX_SIGNED_BYTES - len(empty) + 2 + more))
        answer = await client.post(URL, data=b"[%s,{}]" % first, headers=sign("new", first))
        assert answer.status == status
        if more:
            words = f"the first element is not JSON, or larger than {limits.MAX_SIGNED_BYTES} bytes"
            assert (await answer.json())["message"] == words

    @pytest.mark.parametrize("first", [b'{"a":[', b'"', b"[" * 100_000, b"1" * 4_000_000])
    def test_no_more_than_that_is_read_of_what_nobody_signed(
        self, monkeypatch: pytest.MonkeyPatch, first: bytes
    ) -> None:
        read: list[int] = []

        class Decoder(json.JSONDecoder):
            def raw_decode(self, text: str, at: int = 0) -> tuple[object, int]:
                read.append(len(text))
                return super().raw_decode(text, at)

        monkeypatch.setattr("router.ingest.webhook._json", Decoder(strict=False))
        with pytest.raises(InvalidCall):
            check_signature(b"[" + first.ljust(limits.MAX_WEBHOOK_BYTES, b" "), "", ["secret"])
        assert read == [limits.MAX_SIGNED_BYTES]

    def test_what_is_signed_of_odd_arrays(self) -> None:
        assert first_element(b"[]") == b"[]"
        assert first_element(b" {}") == b" {}"
        assert first_element(b'[{"a":[NaN,-Infinity]} ,{"b":NaN}]') == b'{"a":[NaN,-Infinity]}'
        with pytest.raises(InvalidCall):
            first_element(b"[")
