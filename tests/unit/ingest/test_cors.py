"""Browsers of other sites may send, and read what they are told."""

from __future__ import annotations

import pytest

from router.errors import StoreFull
from router.ingest.write_key import Sources
from tests.unit.ingest.rig import KEY, TRACK, Client, FakeSource, RecordingAcceptor, failure

ORIGIN = "https://www.example.com"
GRANTED = {
    "Access-Control-Allow-Origin": ORIGIN,
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Expose-Headers": "Retry-After, X-RateLimit-Reset",
    "Vary": "Origin",
}
PATHS = (
    "/v1/t", "/v1/track/", "/v1/batch", "/v1/b", "/v1/import/", "/v1/m", "/v1/pixel/track", "/v1/webhook/k",
    f"/v1/projects/{KEY}/settings", "/sourceConfig/", "/beacon/v1/batch", "/api/s/track", "/api/s/s2s/page",
    "/openapi.json", "/nothing",
)  # fmt: skip


def granted(headers: object) -> dict[str, str]:
    """The CORS headers among these."""
    return {name: value for name, value in dict(headers).items() if name in GRANTED}  # type: ignore[call-overload]


@pytest.mark.parametrize("path", PATHS)
async def test_a_preflight_of_any_path_grants_any_origin_and_the_headers_it_asks_for(client: Client, path: str) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-retry-count",
    }
    answer = await client.options(path, headers=asked)
    assert (answer.status, await answer.read()) == (204, b"")
    assert granted(answer.headers) == GRANTED
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization,x-retry-count"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
    assert answer.headers["Access-Control-Max-Age"] == "7200"


async def test_a_preflight_is_granted_also_where_the_source_lists_other_origins(
    client: Client, sources: Sources
) -> None:
    sources.replace([FakeSource(origins=("https://other.example.com",))])
    answer = await client.options("/v1/t", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"})
    assert (answer.status, granted(answer.headers)) == (204, GRANTED)
    assert "Access-Control-Allow-Headers" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/t", 200),
        ("POST", "/v1/m", 200),
        ("POST", "/v1/batch", 400),
        ("GET", "/v1/t", 405),
        ("GET", "/nothing", 404),
        ("GET", f"/v1/projects/{KEY}/settings", 200),
        ("GET", "/v1/projects/other/settings", 404),
        ("GET", "/sourceConfig", 401),
        ("GET", "/v1/pixel/track", 200),
        ("GET", "/openapi.json", 200),
    ],
)
async def test_every_answer_can_be_read_by_the_page_that_asked(
    client: Client, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path, json=TRACK, headers={"Origin": ORIGIN})
    assert (answer.status, granted(answer.headers)) == (status, GRANTED)


async def test_the_wait_of_a_503_can_be_read(client: Client, acceptor: RecordingAcceptor) -> None:
    acceptor.error = StoreFull()
    answer = await client.post("/v1/t", json=TRACK, headers={"Origin": ORIGIN})
    assert (answer.status, answer.headers["Retry-After"], granted(answer.headers)) == (503, "30", GRANTED)


async def test_answers_to_one_origin_leave_no_trace_in_the_next_answer(client: Client) -> None:
    await client.post("/v1/t", json=TRACK, headers={"Origin": ORIGIN})
    assert granted((await client.post("/v1/t", json=TRACK)).headers) == {}
    assert granted((await client.get("/v1/pixel/track", headers={"Origin": ORIGIN})).headers) == GRANTED
    assert granted((await client.get("/v1/pixel/track")).headers) == {}


class TestOrigins:
    async def test_a_page_that_the_source_does_not_list_is_refused_and_can_read_why(
        self, client: Client, sources: Sources, acceptor: RecordingAcceptor
    ) -> None:
        sources.replace([FakeSource(origins=("https://other.example.com",))])
        for path, body in (("/v1/t", TRACK), ("/v1/b", {"batch": [{**TRACK, "type": "track"}], "writeKey": KEY})):
            answer = await client.post(path, json=body, headers={"Origin": ORIGIN})
            assert await failure(answer) == (403, "origin_not_allowed")
            assert granted(answer.headers) == GRANTED
        assert not acceptor.asked.is_set()

    @pytest.mark.parametrize("origin", [ORIGIN, "HTTPS://WWW.Example.com", None])
    async def test_a_listed_page_and_whoever_is_no_page_may_send(
        self, client: Client, sources: Sources, acceptor: RecordingAcceptor, origin: str | None
    ) -> None:
        sources.replace([FakeSource(origins=("https://other.example.com", ORIGIN))])
        headers = {"Origin": origin} if origin else {}
        assert (await client.post("/v1/t", json=TRACK, headers=headers)).status == 200
        assert len(acceptor.calls) == 1

    async def test_null_is_the_origin_of_pages_without_one(self, client: Client, sources: Sources) -> None:
        sources.replace([FakeSource(origins=("null",))])
        assert (await client.post("/v1/track", json=TRACK, headers={"Origin": "null"})).status == 200
        answer = await client.post("/v1/track", json=TRACK, headers={"Origin": ORIGIN})
        assert await failure(answer) == (403, "origin_not_allowed")

    async def test_a_star_beside_others_is_any_origin(self, client: Client, sources: Sources) -> None:
        sources.replace([FakeSource(origins=("https://other.example.com", "*"))])
        assert (await client.post("/v1/t", json=TRACK, headers={"Origin": ORIGIN})).status == 200
