"""Personal data in a real daemon: what a source takes is in no file, no answer, no line of the log and no request to a tool; the
gate works on hashed ids; and another key is taken only when somebody says so."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hmac
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from router.testing.vendor import FakeVendor, Reply
from tests.flow.backups import in_a_backup
from tests.flow.harness import AUTHORIZATION, WRITE_KEY, Daemon, destination, eventually

KEY, OTHER_KEY = "the key of this test", "another key of this test"
ADDRESS = "203.0.113.77"
PRIVACY = {
    "drop": ["context.ip", "context.page.url", "properties.secret", "properties.list.secret", "traits.password"],
    "hash": ["traits.email", "userId", "anonymousId", "groupId", "messageId"],
}


class Secrets:
    """Makes values that must be nowhere, and remembers them."""

    def __init__(self) -> None:
        self.made: list[str] = [ADDRESS]

    def __call__(self, what: str) -> str:
        self.made.append(f"taken-{what}-{len(self.made)}")
        return self.made[-1]

    def found_in(self, where: str, content: bytes) -> list[tuple[str, str]]:
        return [(where, secret) for secret in self.made if secret.encode() in content]


def hashed(text: str) -> str:
    return hmac.digest(KEY.encode(), text.encode(), "sha256").hex()


def track(secret: Secrets, **more: Any) -> dict[str, Any]:
    """A call with something to take in every place."""
    return {
        "type": "track",
        "event": "Opened",
        "userId": secret("user"),
        "anonymousId": secret("anonymous"),
        "messageId": secret("message"),
        "properties": {"secret": {"a": [secret("property")]}, "list": [{"secret": secret("item"), "n": 1}], "n": 1},
        "context": {
            "library": {"name": "analytics.js"},
            "page": {"url": f"https://example.com/?mail={secret('url')}", "title": "Home"},
            "traits": {"email": f"{secret('mail')}@example.com", "password": secret("password")},
        },
        **more,
    }


def requests(secret: Secrets) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Path, body and headers: every way in, and calls that cannot be used."""
    call = track(secret)
    yield "/v1/track", json.dumps(call).encode(), {}
    yield "/v1/track", json.dumps(call).encode(), {}  # a duplicate
    traits = {"email": secret("mail"), "password": secret("password"), "n": 2}
    yield (
        "/v1/identify",
        json.dumps({"userId": secret("user"), "anonymousId": secret("a"), "traits": traits}).encode(),
        {},
    )
    yield "/v1/alias", json.dumps({"userId": secret("user"), "previousId": secret("previous")}).encode(), {}
    shared = {"ip": secret("ip"), "traits": {"email": secret("mail")}, "groupId": secret("group")}
    unusable = [
        track(secret, event=None),
        track(secret, type="odd"),
        track(secret, properties=secret("text")),
        track(secret, userId={"id": secret("id")}, anonymousId=[secret("id")]),
        track(secret, padding="x" * 40_000),
        secret("item"),
    ]
    batch = {"batch": [track(secret), *unusable], "context": shared}
    yield "/v1/batch", gzip.compress(json.dumps(batch).encode()), {"Content-Encoding": "gzip"}
    yield "/v1/track", f'{{"userId": "{secret("broken")}"'.encode(), {}
    yield "/v1/track", json.dumps(track(secret, event="")).encode(), {}


async def send_all(daemon: Daemon, secret: Secrets) -> None:
    headers = {**AUTHORIZATION, "X-Forwarded-For": ADDRESS, "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session:
        for path, body, more in requests(secret):
            async with session.post(daemon.url + path, data=body, headers={**headers, **more}) as answer:
                assert answer.status in (200, 400)
                assert secret.found_in(path, await answer.read()) == []
        data = base64.b64encode(json.dumps({**track(secret), "writeKey": WRITE_KEY}).encode()).decode()
        secret.made.append(data[20:60])  # no line of the log has the URL either
        async with session.get(f"{daemon.url}/v1/pixel/track", params={"data": data}, headers=headers) as answer:
            assert answer.status == 200


async def everything_said(daemon: Daemon, vendor: FakeVendor) -> list[tuple[str, bytes]]:
    """What can be read of the daemon: each of its files, each answer, a backup, and each request that a tool got."""
    files = [path for path in daemon.folder.rglob("*") if path.is_file() and path != daemon.config]
    read = [(path.name, await asyncio.to_thread(path.read_bytes)) for path in files]
    assert {"router.db", "router.db-wal", "daemon.log", "out.jsonl"} <= {name for name, _ in read}
    pages = ["/readyz", "/api/ledger", "/api/events?limit=500", "/api/discards", "/api/sources", "/api/destinations"]
    pages += [
        f"/api/destinations/{name}{page}" for name in ("hook", "broken", "gated") for page in ("", "/held", "/dead")
    ]
    events = (await daemon.get("/api/events?limit=500"))["items"]
    pages += [f"/api/messages/{event['message_id']}" for event in events]
    read += [(page, json.dumps(await daemon.get(page)).encode()) for page in [*pages, "/api/privacy/scan"]]
    read.append(("a backup", await in_a_backup(daemon)))
    return read + [("a request", repr((each.url, each.headers)).encode() + each.body) for each in vendor.requests]


async def test_what_a_source_takes_is_nowhere_and_a_gate_opens_on_hashed_ids(tmp_path: Path) -> None:
    secret = Secrets()
    async with FakeVendor() as vendor:
        vendor.answer = lambda request: Reply(400 if "broken" in request.url else 200, json={})
        destinations = [
            destination("hook", "webhook", {"url": f"{vendor.url}/hook"}),
            destination("broken", "webhook", {"url": f"{vendor.url}/broken"}),
            destination("gated", "collector", {"base_url": vendor.url, "gated": True}),
            destination("out", "file", {"path": tmp_path / "out.jsonl"}),
        ]
        tables: dict[str, dict[str, Any]] = {
            "privacy": {"key": KEY},
            "server": {"trusted_proxies": ["127.0.0.1"]},
            "log": {"level": "debug"},
        }
        daemon = Daemon(tmp_path, destinations, **tables)
        daemon.source = {"privacy": PRIVACY}
        async with daemon:
            user, group, message = secret("user"), secret("group"), secret("message")
            await send_all(daemon, secret)
            await daemon.post("track", userId=user, event="Hello", messageId=message)
            await daemon.becomes(hashed(message), "gated", "held", "group_unknown")
            await daemon.post(
                "group", userId=user, groupId=group, traits={"name": "Acme", "password": secret("password")}
            )
            await daemon.becomes(hashed(message), "gated", "delivered")
            ledger = await daemon.settled()
            assert (ledger["accepted"], ledger["duplicates"]) == (7, 1)
            assert ledger["destinations"]["broken"]["dead"] > 0
            sent = b"".join(request.body for request in vendor.requests)
            assert all(hashed(id).encode() in sent for id in (user, group, message))
            said = await everything_said(daemon, vendor)
            assert [found for where, content in said for found in secret.found_in(where, content)] == []
            await asks_before_it_takes_another_key(daemon)


async def asks_before_it_takes_another_key(daemon: Daemon) -> None:
    daemon.tables["privacy"] = {"key": OTHER_KEY}
    daemon.write_config()
    status, refused = await daemon.admin("POST", "/api/reload")
    assert (status, refused["code"], len(refused["errors"])) == (409, "confirmation_required", 1)
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)

    async def refusals() -> bool:
        return len(daemon.log("config_reload_failed")) == 2

    await eventually(refusals, what="the signal is refused in the log")
    assert "reload --yes" in daemon.log("config_reload_failed")[-1]["detail"]
    assert OTHER_KEY not in str(daemon.log())
    await daemon.post("track", userId="u1", event="Hello", messageId="before")
    assert (await daemon.message(hashed("before")))["source"] == "website"
    status, done = await daemon.admin("POST", "/api/reload", {"yes": True})
    assert (status, done["sources"]) == (200, ["website"])
    await daemon.post("track", userId="u1", event="Hello", messageId="after")
    assert (await daemon.admin("GET", f"/api/messages/{hashed('after')}"))[0] == 404
    assert await daemon.terminate() == 0
    (daemon.folder / "daemon.log").write_text("")  # a refused reload is an error in the log, here a wanted one
