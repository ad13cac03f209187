"""Whoever has neither token nor write key learns of the set-up nothing: no name, no path, no version, on no path of either listener."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import aiohttp
import pytest

from router import __version__
from tests.flow.harness import ROOT, WRITE_KEY, Daemon, destination

TOKEN = "a-token-that-nobody-guesses"
PATHS = sorted(
    {
        re.sub(r"\{[^}]*\}", "x", path).partition("?")[0]
        for path in re.findall(
            r"^## (?:GET|POST|DELETE) (\S+)$", (ROOT / "docs/admin-api.md").read_text(), re.MULTILINE
        )
    }
    | {
        "/login",
        "/events",
        "/destinations/x",
        "/settings",
        "/nowhere",
        "/api/nowhere",
        "/static/x/console.css",
    }
)
"""Every path of the admin API, and pages of the console."""
BODIES = (b"", b"{", b'{"userId":"u1"}', b"[1]", b'{"batch":[1],"writeKey":"wrong"}')


def secrets_of(daemon: Daemon) -> list[str]:
    """What nobody is to learn."""
    names = [
        "hidden-crm",
        "collector",
        "hidden-website",
        str(daemon.folder),
        "router.db",
        "config.toml ",
        socket.gethostname(),
    ]
    return [*names, __version__, "aiohttp", "Python", TOKEN, WRITE_KEY]


async def told(http: aiohttp.ClientSession, method: str, url: str, **options: object) -> tuple[int, str]:
    async with http.request(method, url, allow_redirects=False, **options) as answer:  # type: ignore[arg-type]
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        return answer.status, f"{head}\n{(await answer.read()).decode('utf-8', 'replace')}"


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    made = Daemon(
        tmp_path,
        [destination("hidden-crm", "collector", {"base_url": "http://127.0.0.1:9/"})],
        admin={"token": TOKEN},
    )
    made.source = {"name": "hidden-website"}
    return made


async def test_the_admin_listener_tells_a_stranger_nothing_of_the_set_up(daemon: Daemon) -> None:
    async with daemon:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession() as http:
            pause = f"{daemon.admin_url}/api/destinations/hidden-crm/pause"
            async with http.post(pause, json={"reason": "the move"}, headers=headers) as answer:
                assert answer.status == 200
            known = await told(http, "GET", f"{daemon.admin_url}/readyz", headers=headers)
            assert "hidden-crm" in known[1], "who has the token is told"
            for path in PATHS:
                for method in ("GET", "POST", "DELETE", "PUT"):
                    status, words = await told(http, method, daemon.admin_url + path, json={})
                    assert status in (200, 303, 401, 403, 404, 405, 415), (method, path, status)
                    found = [secret for secret in secrets_of(daemon) if secret in words]
                    assert not found, (method, path, found, words)
            status, words = await told(http, "GET", f"{daemon.admin_url}/readyz")
            assert [one["code"] for one in json.loads(words.splitlines()[-1])["troubles"]] == ["by_hand"]


async def test_ingestion_tells_a_stranger_nothing_of_the_set_up(daemon: Daemon) -> None:
    paths = {
        re.sub(r"\{[^}]*\}", "x", path) for path in json.loads((ROOT / "router/openapi.json").read_bytes())["paths"]
    }
    async with daemon, aiohttp.ClientSession() as http:
        for path in sorted({*paths, "/", "/nowhere", "/healthz"} - {"/openapi.json"}):
            for method, body in [("GET", b""), ("OPTIONS", b""), ("DELETE", b""), *(("POST", body) for body in BODIES)]:
                _, words = await told(http, method, daemon.url + path, data=body)
                found = [secret for secret in secrets_of(daemon) if secret in words]
                assert not found, (method, path, body, found, words)
        _, words = await told(http, "GET", f"{daemon.url}/v1/projects/{WRITE_KEY}/settings")
        _, more = await told(http, "GET", f"{daemon.url}/sourceConfig?writeKey={WRITE_KEY}")
        assert WRITE_KEY in words
        assert WRITE_KEY in more
        assert "hidden" not in words + more, "not even who has a write key, which is public in a browser"
        _, words = await told(http, "GET", f"{daemon.url}/openapi.json")
        assert __version__ not in words
