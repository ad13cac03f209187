"""Destinations without code in a real daemon: ClientSuccess and Braze by configuration at strict vendors, and a token that is
written nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.harness import Daemon, destination, eventually
from tests.vendors.braze import BrazeVendor
from tests.vendors.clientsuccess import ClientSuccessVendor
from tests.vendors.http_examples import braze, clientsuccess
from tests.vendors.strict import first

KEY = "ke/y+of the?vendor&77"
USERS = 12


async def test_clientsuccess_by_configuration_holds_until_the_company_is_known_also_over_a_crash(
    tmp_path: Path,
) -> None:
    async with ClientSuccessVendor() as vendor:
        base = vendor.enrol("cs", {"project_id": "P/1", "api_key": KEY})["base_url"]
        table = destination("cs", "http", clientsuccess(base, "P%2F1", KEY))
        async with Daemon(tmp_path, [table]) as daemon:
            await daemon.post("identify", userId="u1", traits={"firstName": "Ada", "plan": "pro"}, messageId="m0")
            await daemon.post("track", userId="u1", event="A/B 50%?", properties={"value": "2.5"}, messageId="m1")
            await daemon.post("page", userId="u1", category="Docs", name="Keys", messageId="m2")
            await daemon.post("track", anonymousId="a1", event="Run", messageId="m3")
            await daemon.becomes("m0", "cs", "skipped", "remembered")
            await daemon.becomes("m1", "cs", "held", "group_unknown")
            await daemon.becomes("m3", "cs", "skipped", "no_user_id")
            assert vendor.seen["cs"] == []
            daemon.kill()
            await daemon.restart()
            vendor.faults["cs"] = first(Reply(503))
            await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme Inc."}, messageId="m4")
            await daemon.becomes("m2", "cs", "delivered", "")
            await daemon.becomes("m1", "cs", "delivered", "")
        seen = vendor.seen["cs"]
        assert vendor.refusals["cs"] == []
        project, key = "P%2F1", "ke%2Fy%2Bof%20the%3Fvendor%2677"
        urls = [f"/collector/1.0.0/projects/{project}/events/{name}?api_key={key}"
                for name in ("A%2FB%2050%25%3F", "A%2FB%2050%25%3F", "Viewed%20Docs%20Keys%20Page")]  # fmt: skip
        assert [one.url for one in seen] == urls
        user = {"id": "u1", "name": "Ada", "first_name": "Ada", "custom": {"plan": "pro"}}
        assert seen[1].json()["identity"] == {"organization": {"id": "acme", "name": "Acme Inc."}, "user": user}
        assert [one.json()["value"] for one in seen] == [2.5, 2.5, 1]
        assert (
            files_with(tmp_path, b"ke/y+of") == [*files_with(tmp_path, key.encode()), "config.toml"] == ["config.toml"]
        )


async def test_braze_by_configuration_sends_batches_and_loses_only_what_is_refused(tmp_path: Path) -> None:
    async with BrazeVendor() as vendor:
        base = vendor.enrol("braze", {"api_key": KEY})["base_url"]
        table = destination("braze", "http", braze(base, KEY), delivery={"linger": "1s"})
        calls: list[dict[str, Any]] = []
        for n in range(USERS):
            calls.append({"type": "identify", "userId": f"u{n}", "traits": {"plan": "pro"}, "messageId": f"i{n}"})
            calls.append(
                {"type": "track", "userId": f"v{n}", "event": "Run", "properties": {"n": n}, "messageId": f"t{n}"}
            )
        calls.append({"type": "track", "userId": "w", "event": "Run", "properties": {"$set": 1}, "messageId": "bad"})
        async with Daemon(tmp_path, [table]) as daemon:
            await daemon.batch(calls)
            await daemon.becomes("bad", "braze", "dead", "rejected")

            async def settled() -> bool:
                return bool((await daemon.counts("braze"))["delivered"] == 2 * USERS)

            await eventually(settled, what="all others are delivered")
            assert (await daemon.counts("braze"))["dead"] == 1
        taken = [seen.json() for seen in vendor.seen["braze"]]
        assert max(len(body.get("attributes", [])) + len(body.get("events", [])) for body in taken) > 2
        assert {seen.url for seen in vendor.seen["braze"]} == {"/users/track"}
        assert {words.partition("]: ")[2] for words in vendor.refusals["braze"]} == {"a property's name is not valid"}


@pytest.mark.parametrize("format", ["lines", "form"])
async def test_a_token_is_got_once_renewed_after_a_401_and_written_nowhere(tmp_path: Path, format: str) -> None:
    given: list[str] = []

    def bank(seen: Received) -> Reply:
        """Tokens by number; calls are taken with the newest one only, and the answer tells everything."""
        if seen.url == "/token":
            given.append(f"tok-s3cret-{len(given)}")
            return Reply(200, json={"access_token": given[-1], "expires_in": 3600})
        told = json.dumps([seen.url, dict(seen.headers)]).encode()
        if not given or seen.headers.get("authorization") != f"Bearer {given[-1]}":
            return Reply(401, body=told)
        return Reply(422 if b"bad" in seen.body else 202, body=told)

    async with FakeVendor() as vendor:
        vendor.answer = bank
        settings: dict[str, Any] = {
            "url": f"{vendor.url}/in",
            "format": format,
            "token": {"url": f"{vendor.url}/token", "client_id": "me-s3cret", "client_secret": "my-s3cret"},
            "track": {"body": {"name": "${event}", "at": "${timestamp}"}},
        }
        tables = [destination("live", "http", settings), destination("dry", "http", settings, mode="dry-run")]
        async with Daemon(tmp_path, tables, log={"level": "debug"}) as daemon:
            await daemon.post("track", userId="u1", event="good", messageId="m1")
            await daemon.becomes("m1", "live", "delivered", "")
            given.append("another-s3cret")  # the vendor has forgotten the token
            await daemon.post("track", userId="u1", event="bad", messageId="m2")
            await daemon.becomes("m2", "live", "dead", "rejected")
            await daemon.becomes("m2", "dry", "delivered", "dry_run")
            shown = await daemon.message("m2")
            assert "s3cret" not in json.dumps([shown, await daemon.get("/api/destinations/live/dead")])
            request = shown["destinations"]["dry"]["attempts"][0]["request"]
            assert (request["method"], request["headers"]["Authorization"]) == ("POST", "Bearer ***")
            assert "bad" in request["body"]
        assert [seen.url for seen in vendor.requests].count("/token") == 2
        assert files_with(tmp_path, b"s3cret") == ["config.toml"]


def files_with(folder: Path, word: bytes) -> list[str]:
    """The files in which a word stands."""
    return [path.name for path in folder.iterdir() if path.is_file() and word in path.read_bytes()]
