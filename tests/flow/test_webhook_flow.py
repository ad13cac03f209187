"""The webhook destination in a real daemon: into a Segment webhook source, the daemon's own; and secrets nowhere on disk."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.harness import Daemon, destination, eventually

TYPES = ("identify", "group", "track", "page", "screen", "alias")
SOURCE = """
[[source]]
name = "segment"
kind = "segment-webhook"
write_key = "hook_key"
secrets = ["the shared secret"]
"""


class Looped(Daemon):
    """A daemon with a source that takes what its own webhook destination sends."""

    def write_config(self) -> None:
        super().write_config()
        self.config.write_text(self.config.read_text() + SOURCE)


@pytest.mark.parametrize("batch", [1, 10])
async def test_what_the_webhook_sends_is_accepted_and_is_the_same_call_at_the_other_end(
    tmp_path: Path, batch: int
) -> None:
    out = tmp_path / "events.jsonl"
    tables = [
        destination("hook", "webhook", {}, sources=["website"]),
        destination("file", "file", {"path": out}, sources=["website", "segment"]),
    ]
    daemon = Looped(tmp_path, tables)
    secret = {"shared_secret": "the shared secret"}
    tables[0]["settings"] = {"url": f"{daemon.url}/v1/webhook/hook_key", "batch": batch, **secret}
    async with daemon:
        for number, type in enumerate(TYPES):
            await daemon.post(
                type, userId=f"u{number}", messageId=f"m-{type}", groupId="acme", previousId="a1", event="Žádost",
                name="Pricing", traits={"plan": "gold"}, properties={"rows": 12.5}, context={"ip": "10.0.0.1"},
                timestamp="2026-01-02T03:04:05Z", sentAt="2026-01-02T03:04:06Z",
            )  # fmt: skip

        async def arrived() -> bool:
            return bool((await daemon.ledger())["accepted"] == 2 * len(TYPES))

        await eventually(arrived, what="every call is accepted again")
        ledger = await daemon.settled()
        assert ledger["discarded"] == 0
        assert ledger["destinations"]["hook"]["delivered"] == len(TYPES)
    written = [json.loads(line) for line in out.read_text().splitlines()]
    for type in TYPES:
        sent, came = (call for call in written if call["messageId"] == f"m-{type}")
        # it was received a second time; everything else, the corrected clock included, is as it was
        assert {**sent, "receivedAt": ""} == {**came, "receivedAt": ""}


async def test_a_signature_that_the_source_does_not_accept_pauses_and_loses_nothing(tmp_path: Path) -> None:
    daemon = Looped(tmp_path, [])
    settings = {"url": f"{daemon.url}/v1/webhook/hook_key", "shared_secret": "another"}
    daemon.destinations = [destination("hook", "webhook", settings, sources=["website"])]
    async with daemon:
        await daemon.post("track", userId="u1", event="Opened", messageId="m1")

        async def paused() -> bool:
            return bool((await daemon.counts("hook"))["state_reason"] == "credentials")

        await eventually(paused)
        assert (await daemon.counts("hook"))["dead"] == 0


async def test_no_secret_of_a_webhook_is_written_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def quote(seen: Received) -> Reply:
        """Refuse, and tell everything that was sent."""
        return Reply(422, body=json.dumps([seen.url, dict(seen.headers)]).encode())

    async with FakeVendor() as vendor:
        vendor.answer = quote
        monkeypatch.setenv("HOOK_URL", f"{vendor.url}/path-s3cret?token=query-s3cret")
        settings = {
            "url": {"env": "HOOK_URL"},
            "headers": {"Authorization": "Bearer header-s3cret"},
            "shared_secret": "shared-s3cret",
        }
        live = destination("live", "webhook", settings)
        tables = [live, destination("dry", "webhook", settings, mode="dry-run")]
        async with Daemon(tmp_path, tables, log={"level": "debug"}) as daemon:
            await daemon.post("track", userId="u1", event="Opened", messageId="m1")
            await daemon.becomes("m1", "live", "dead", "rejected")
            await daemon.becomes("m1", "dry", "delivered", "dry_run")
            shown = await daemon.message("m1")
            assert "s3cret" not in json.dumps([shown, await daemon.get("/api/destinations/live/dead")])
            request = shown["destinations"]["dry"]["attempts"][0]["request"]
            assert (request["url"], request["headers"]["Authorization"]) == ("***", "***")
            assert json.loads(request["body"])["messageId"] == "m1"
        (seen,) = vendor.requests
        assert seen.url == "/path-s3cret?token=query-s3cret"
        assert seen.headers["x-signature"] == hmac.new(b"shared-s3cret", seen.body, hashlib.sha1).hexdigest()
        assert files_with(tmp_path, b"s3cret") == ["config.toml"]


def files_with(folder: Path, word: bytes) -> list[str]:
    """The files in which a word stands."""
    return [path.name for path in folder.iterdir() if path.is_file() and word in path.read_bytes()]
