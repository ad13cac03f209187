"""Whatever is sent, by whichever way, gets one of the documented answers, and what is taken can be opened."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from router.errors import InvalidCall
from router.event import TYPES, normalize_event
from router.ingest.pixel import read_pixel
from router.ingest.proxy import client_ip, networks, own_url
from router.ingest.webhook import WEBHOOK_TYPES, check_signature, parse_webhook
from tests.unit.ingest.rig import KEY, Client, RecordingAcceptor
from tests.unit.ingest.schema import faults
from tests.unit.ingest.test_openapi import DOCUMENT

NAMES = st.sampled_from(
    ["type", "event", "userId", "anonymousId", "groupId", "previousId", "messageId", "timestamp", "originalTimestamp",
     "sentAt", "context", "integrations", "traits", "properties", "name", "category", "writeKey", "batch", "library", "ip"]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8),
    st.sampled_from([*WEBHOOK_TYPES, KEY, "2026-01-02T03:04:05Z", "9999-12-31T23:59:59Z", "\ud83d", "\x00"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=12
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda value: json.dumps(value).encode(), VALUES),
    st.builds(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"), VALUES),
    st.builds(lambda value, end: json.dumps(value).encode() + end, VALUES, st.binary(max_size=3)),
    st.sampled_from([b"[" * 60_000, b'{"a":' * 60_000, b'{"batch":' + b"[" * 5_000 + b"]" * 5_000 + b"}"]),
)


@given(body=BODIES)
@example(b'[{"type":"delete","userId":"u","timestamp":1e999}]')
def test_a_webhook_s_body_is_refused_or_taken_whole(body: bytes) -> None:
    try:
        posted = parse_webhook(body)
    except InvalidCall:
        return
    with pytest.raises(InvalidCall, match="HMAC-SHA1"):
        check_signature(body, "0", ("secret",))
    calls, discards = posted.calls("segment", 1_767_323_045_678, None)
    assert len(calls) + len(discards) == posted.size
    for call in calls:
        event = normalize_event(call.source, call.type, call.message_id, call.received_at, call.body)
        assert event.type in WEBHOOK_TYPES


@given(
    type=st.sampled_from([*sorted(TYPES), "delete"]),
    query=st.one_of(
        st.dictionaries(
            st.lists(NAMES | st.text(max_size=3), max_size=20).map(".".join), st.text(max_size=20), max_size=6
        ),
        st.builds(lambda body: {"data": base64.b64encode(body).decode().rstrip("=")}, BODIES),
        st.builds(lambda text: {"data": text}, st.text(max_size=40)),
    ),
)
def test_a_pixel_s_query_is_refused_or_taken(type: str, query: dict[str, str]) -> None:
    try:
        posted = read_pixel(type, query)
    except InvalidCall:
        return
    calls, discards = posted.calls("website", 1_767_323_045_678, None)
    assert len(calls) + len(discards) == 1
    for call in calls:
        normalize_event(call.source, call.type, call.message_id, call.received_at, call.body)


class _Request:
    """As much of a request as addresses are read from."""

    remote = "127.0.0.1"

    def __init__(self, headers: Any) -> None:
        self.headers = headers


@given(forwarded=st.text(max_size=40), host=st.text(max_size=40), proto=st.text(max_size=10))
def test_forwarded_headers_give_an_address_or_nothing(forwarded: str, host: str, proto: str) -> None:
    headers = CIMultiDict({"X-Forwarded-For": forwarded, "X-Forwarded-Host": host, "X-Forwarded-Proto": proto})
    request: Any = _Request(headers)
    proxies = networks(["127.0.0.1", "10.0.0.0/8", "fd00::/8"])
    client_ip("127.0.0.1", [forwarded], proxies)
    url = own_url(request, proxies)
    assert url == "" or url.startswith(("http://", "https://"))
    assert not set(url) & set(' "<>\\\r\n')


HEADERS = st.dictionaries(
    st.sampled_from(["Authorization", "Content-Encoding", "Origin", "X-Write-Key", "X-Signature", "X-Forwarded-For"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
    | st.sampled_from(["gzip", "deflate", f"{KEY}:", "Basic d2tfdGVzdF8xMjM6", "Bearer x"]),
    max_size=4,
)
PATHS = st.sampled_from(
    ["/v1/t", "/v1/identify", "/v1/batch", "/v1/import/", "/v1/m", "/beacon/v1/batch?writeKey=x", "/api/s/track",
     "/v1/webhook/k", "/v1/webhook"]
)  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
async def test_every_answer_is_one_that_clients_read_and_none_is_500(
    client: Client, acceptor: RecordingAcceptor, packed: bool
) -> None:
    """Over real sockets: the requests are drawn first, because Hypothesis runs no coroutines of this loop."""
    drawn: list[tuple[str, bytes, dict[str, str]]] = []

    @settings(max_examples=150, suppress_health_check=list(HealthCheck), database=None)
    @given(path=PATHS, body=BODIES, headers=HEADERS)
    def draw(path: str, body: bytes, headers: dict[str, str]) -> None:
        drawn.append((path, body, headers))

    draw()
    error = {"$ref": "#/components/schemas/Error"}
    for path, body, headers in drawn:
        if packed:
            body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
        answer = await client.post(path, data=body, headers=headers)
        said = await answer.json()
        assert answer.status in (200, 400, 401, 404, 413, 415), (path, body, headers, said)
        assert said == {"success": True} if answer.status == 200 else list(faults(DOCUMENT, error, said)) == []
    for call in acceptor.calls:
        normalize_event(call.source, call.type, call.message_id, call.received_at, call.body)
