"""What browsers and mobile apps ask before they send."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from router.ingest.routes import make_app
from router.ingest.write_key import Sources
from tests.unit.ingest.rig import KEY, Client, FakeClock, FakeSource, IngestTestServer, RecordingAcceptor, failure

PATH = f"/v1/projects/{KEY}/settings"
BASIC = {"Authorization": "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()}


async def segment(client: Client, **headers: str) -> dict[str, Any]:
    """The Segment.io part of the settings."""
    answer = await client.get(PATH, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert answer.status == 200
    own: dict[str, Any] = (await answer.json())["integrations"]["Segment.io"]
    return own


async def test_they_name_the_write_key_and_nobody_else(client: Client) -> None:
    answer = await client.get(PATH)
    settings = await answer.json()
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert list(settings["integrations"]) == ["Segment.io"]
    assert settings["integrations"]["Segment.io"]["apiKey"] == KEY
    assert settings["metrics"] == {"sampleRate": 0}
    assert settings["remotePlugins"] == []
    assert all(plan["__default"]["enabled"] for plan in settings["plan"].values())


async def test_the_address_is_the_one_that_was_asked(client: Client) -> None:
    own = await segment(client, Host="router.example.com:8443")
    assert (own["apiHost"], own["protocol"]) == ("router.example.com:8443/v1", "http")


async def test_a_trusted_proxy_says_the_address(client: Client) -> None:
    own = await segment(client, Host="10.0.0.5:80", X_Forwarded_Host="events.example.com", X_Forwarded_Proto="https")
    assert (own["apiHost"], own["protocol"]) == ("events.example.com/v1", "https")
    own = await segment(client, Host="inner", X_Forwarded_Host="a.example.com, b", X_Forwarded_Proto="HTTPS, http")
    assert (own["apiHost"], own["protocol"]) == ("b/v1", "http")
    own = await segment(client, Host="inner", X_Forwarded_Proto="gopher")
    assert (own["apiHost"], own["protocol"]) == ("inner/v1", "http")


@pytest.mark.parametrize("host", ["a/b", "evil.com/x?", "a b", "user@host", 'x"y', ""])
async def test_a_host_that_is_none_is_left_out(client: Client, host: str) -> None:
    own = await segment(client, X_Forwarded_Host=host) if host else await segment(client, Host="a b")
    assert "apiHost" not in own
    assert "protocol" not in own
    assert own["apiKey"] == KEY


async def test_others_than_trusted_proxies_are_not_believed(acceptor: RecordingAcceptor, sources: Sources) -> None:
    client: Client
    async with TestClient(IngestTestServer(make_app(acceptor, sources, FakeClock()))) as client:
        own = await segment(client, Host="me", X_Forwarded_Host="evil.example.com", X_Forwarded_Proto="https")
    assert (own["apiHost"], own["protocol"]) == ("me/v1", "http")


@pytest.mark.parametrize("path", ["", "/segment"])
async def test_the_public_url_wins_over_the_request(acceptor: RecordingAcceptor, sources: Sources, path: str) -> None:
    app = make_app(acceptor, sources, FakeClock(), public_url=f"https://events.example.com{path}")
    client: Client
    async with TestClient(IngestTestServer(app)) as client:
        own = await segment(client)
    assert (own["apiHost"], own["protocol"]) == (f"events.example.com{path}/v1", "https")


async def test_an_unknown_key_is_404(client: Client, sources: Sources) -> None:
    assert await failure(await client.get("/v1/projects/nope/settings")) == (404, "unknown_project")
    sources.replace([FakeSource(kind="segment-webhook")])
    assert await failure(await client.get(PATH)) == (404, "unknown_project")


async def test_a_disabled_source_still_lets_its_pages_load(client: Client, sources: Sources) -> None:
    sources.replace([FakeSource(enabled=False)])
    assert (await segment(client))["apiKey"] == KEY


class TestRudderStack:
    @pytest.mark.parametrize("slash", ["", "/"])
    @pytest.mark.parametrize("basic", [True, False])
    async def test_its_library_gets_what_it_waits_for(self, client: Client, slash: str, basic: bool) -> None:
        query = "" if basic else f"&writeKey={KEY}"
        answer = await client.get(f"/sourceConfig{slash}?p=npm&v=3{query}", headers=BASIC if basic else {})
        body = await answer.json()
        assert answer.status == 200
        assert body["updatedAt"] == "2026-01-02T03:04:05.678Z"
        source = body["source"]
        assert (source["name"], source["writeKey"], source["enabled"]) == ("segment-router", KEY, True)
        assert source["destinations"] == []
        assert source["config"]["statsCollection"]["errors"] == {"enabled": False}

    async def test_a_bad_key_is_401(self, client: Client, sources: Sources) -> None:
        assert await failure(await client.get("/sourceConfig")) == (401, "missing_write_key")
        assert await failure(await client.get("/sourceConfig?writeKey=x")) == (401, "invalid_write_key")
        sources.replace([FakeSource(kind="segment-webhook")])
        assert await failure(await client.get(f"/sourceConfig?writeKey={KEY}")) == (401, "invalid_write_key")
