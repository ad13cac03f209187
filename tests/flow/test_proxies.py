"""The configurations of docs/proxies.md do what the page says, each in front of a real daemon."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.abc import AbstractResolver, ResolveResult

from router.event import normalize_event
from router.ingest.limits import MAX_BATCH_BYTES, MAX_SINGLE_BYTES
from tests.console.pages import Page, Visitor
from tests.flow.harness import AUTHORIZATION, WRITE_KEY, Daemon, destination
from tests.flow.proxy import CONSOLE, EVENTS, KINDS, Proxy
from tests.patience import HANG_S

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.long]

TOKEN = "a-token-of-twenty-four-bytes"
CLIENT = "127.0.0.2"
"""The address of the clients: another one than that of the proxy, and on this machine, too."""
HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
IN_A_BROWSER = {"context": {"library": {"name": "analytics.js"}}}


class Here(AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


class Behind:
    """A daemon behind a proxy."""

    def __init__(self, daemon: Daemon, proxy: Proxy) -> None:
        self.daemon, self.proxy = daemon, proxy
        self.events, self.console = f"https://{EVENTS}:{proxy.port}", f"https://{CONSOLE}:{proxy.port}"
        self.http = aiohttp.ClientSession(
            connector=self.connector(), timeout=aiohttp.ClientTimeout(total=HANG_S), headers=AUTHORIZATION
        )

    def connector(self) -> aiohttp.TCPConnector:
        """How a client gets there."""
        return aiohttp.TCPConnector(resolver=Here(), ssl=self.proxy.client, local_addr=(CLIENT, 0))

    async def post(self, path: str, call: object, **headers: str) -> tuple[int, dict[str, Any]]:
        """Send a call to ingestion. The answer is JSON of the router, not a page of the proxy."""
        async with self.http.post(f"{self.events}{path}", json=call, headers=headers) as answer:
            return answer.status, await answer.json()

    async def state(self) -> str:
        """Of the destination, as the daemon itself says."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with self.http.get(f"{self.daemon.admin_url}/api/destinations/hook", headers=headers) as answer:
            return str((await answer.json())["state"])


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Behind]:
    folder = tmp_path_factory.mktemp("behind")
    trusting = {"trusted_proxies": ["127.0.0.1"]}
    daemon = Daemon(folder, [HOOK], server=trusting, admin={"token": TOKEN})
    daemon.source = {"origins": ["https://shop.example"]}
    async with Proxy(request.param, folder / "proxy", daemon) as proxy, daemon:
        one = Behind(daemon, proxy)
        yield one
        await one.http.close()


async def test_a_call_has_the_address_of_its_client_and_not_one_that_the_client_claims(behind: Behind) -> None:
    call = {"userId": "u1", "event": "E", "messageId": "m-ip", **IN_A_BROWSER}
    assert await behind.post("/v1/track", call, **{"X-Forwarded-For": "203.0.113.9"}) == (200, {"success": True})
    columns = "source, type, message_id, received_at, body"
    (row,) = behind.daemon.rows(f"SELECT {columns} FROM log WHERE message_id = 'm-ip'")
    assert normalize_event(*row).payload["context"]["ip"] == CLIENT


async def test_libraries_are_told_to_send_to_the_name_of_the_proxy(behind: Behind) -> None:
    async with behind.http.get(f"{behind.events}/v1/projects/{WRITE_KEY}/settings") as answer:
        told = (await answer.json())["integrations"]["Segment.io"]
    assert (told["apiHost"], told["protocol"]) == (f"{EVENTS}:{behind.proxy.port}/v1", "https")


async def by_http_2(behind: Behind, *calls: tuple[str, str]) -> list[str]:
    """The answers to these calls, path and `--data` of each, one after the other on one connection; with version and status."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl on this machine")
    here = ["--cacert", str(behind.proxy.authority), "--resolve", f"{EVENTS}:{behind.proxy.port}:127.0.0.1"]
    options = [*here, "--silent", "--http2", "--header", f"Authorization: {AUTHORIZATION['Authorization']}"]
    options += ["--write-out", " %{http_version} %{http_code}\n"]
    words: list[str] = []
    for path, data in calls:
        words += [*(["--next"] if words else []), *options, "--data-binary", data, f"{behind.events}/v1/{path}"]
    process = await asyncio.create_subprocess_exec(curl, *words, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return said.decode().splitlines()


async def test_it_speaks_http_2(behind: Behind) -> None:
    call = json.dumps({"userId": "u1", "event": "E", "messageId": "m-h2"})
    assert await by_http_2(behind, ("track", call)) == ['{"success": true} 2 200']
    assert behind.daemon.rows("SELECT 1 FROM log WHERE message_id = 'm-h2'") == [(1,)]


async def test_bodies_that_are_far_too_large_do_no_harm_to_calls_behind_them(behind: Behind, tmp_path: Path) -> None:
    """A proxy gives up the rest of a body once it has the answer, and may begin the next request in its place."""
    large = tmp_path / "large"
    large.write_bytes(b'{"x":"' + b"y" * 6_000_000 + b'"}')
    calls = []
    for n in range(6):
        call = json.dumps({"userId": "u1", "event": "E", "messageId": f"behind-{n}"})
        calls += [("batch", f"@{large}"), ("batch", f"@{large}"), ("track", call)]
    said = await by_http_2(behind, *calls)
    answered = re.findall(
        r" 2 (\d+)$", "\n".join(said), re.MULTILINE
    )  # nginx has a page of several lines for what it refuses itself
    assert answered == ["413", "413", "200"] * 6, said
    stored = behind.daemon.rows("SELECT count(*) FROM log WHERE message_id LIKE 'behind-%'")
    assert stored == [(6,)]


@pytest.mark.parametrize(("path", "size"), [("track", MAX_SINGLE_BYTES + 1), ("batch", MAX_BATCH_BYTES + 1)])
async def test_what_is_too_large_for_the_router_is_refused_in_its_words(behind: Behind, path: str, size: int) -> None:
    """Compressed, as libraries send it: a proxy that has passed all of it on passes the answer back."""
    body = gzip.compress(json.dumps({"padding": "x" * size}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with behind.http.post(f"{behind.events}/v1/{path}", data=body, headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (413, "payload_too_large")


async def test_a_page_of_another_origin_is_answered_with_one_header_of_the_router(behind: Behind) -> None:
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    async with behind.http.options(f"{behind.events}/v1/t", headers=headers) as answer:
        assert answer.status < 300
        assert answer.headers.getall("Access-Control-Allow-Origin") in (["*"], ["https://shop.example"])


async def logged_in(visitor: Visitor) -> Page:
    """The first page, once the token was given."""
    return await visitor.send(await visitor.open("/"), "Log in", token=TOKEN)


async def test_somebody_can_log_in_and_send_a_form_and_the_cookie_is_for_tls_only(behind: Behind) -> None:
    async with Visitor(behind.console, behind.connector()) as visitor:
        assert "/login?next=" in (await visitor.open("/")).url
        assert (await logged_in(visitor)).status == 200
        assert visitor.set_cookies
        assert all("; Secure" in cookie for cookie in visitor.set_cookies)
        await visitor.send(await visitor.open("/destinations/hook"), "Pause")
        assert await behind.state() == "paused"
        await visitor.send(await visitor.open("/destinations/hook"), "Resume")
        assert await behind.state() == "running"


async def test_a_form_of_another_site_is_refused(behind: Behind) -> None:
    async with Visitor(behind.console, behind.connector()) as visitor:
        await logged_in(visitor)
        token = (await visitor.open("/destinations/hook")).form("Pause").fields["form_token"]
        for theirs in ("https://evil.example", behind.events):
            answer = await visitor.post("/destinations/hook/pause", {"form_token": token}, {"Origin": theirs})
            assert answer.status == 403


async def test_the_live_page_shows_events_as_they_come(behind: Behind) -> None:
    """Nothing ends the stream meanwhile, so a proxy that collects it would show nothing."""
    async with Visitor(behind.console, behind.connector()) as visitor:
        await logged_in(visitor)
        async with asyncio.timeout(HANG_S), visitor.stream("/events?stream=1") as stream:
            seen = await stream.content.readany()
            for name in (b"Comes First", b"Comes Second"):
                assert (await behind.post("/v1/track", {"userId": "u1", "event": name.decode()}))[0] == 200
                while name not in seen:
                    seen += await stream.content.readany()


async def test_a_program_asks_the_admin_api_with_its_token(behind: Behind) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with behind.http.get(f"{behind.console}/api/ledger", headers=headers) as answer:
        assert answer.status == 200
    async with behind.http.get(f"{behind.console}/readyz") as answer:
        assert (answer.status, (await answer.json())["status"]) == (200, "ready")
