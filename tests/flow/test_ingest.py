"""Ingestion as operators set it up: sources of every kind in config.toml, in a real daemon."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.flow.harness import WRITE_KEY, Daemon, destination

ORIGIN = {"Origin": "https://www.example.com"}
SOURCES = """
[[source]]
name = "segment"
kind = "segment-webhook"
write_key = "hook_key"
secrets = ["old", "new"]

[[source]]
name = "shop"
write_key = "shop_key"
origins = ["https://shop.example.com"]

[[source]]
name = "slow"
write_key = "slow_key"
rate = "2/h"
"""
HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")


class Several(Daemon):
    """A daemon with further sources."""

    def write_config(self) -> None:
        super().write_config()
        self.config.write_text(self.config.read_text() + SOURCES)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Several]:
    async with Several(tmp_path, [HOOK], server={"public_url": "https://events.example.com"}) as daemon:
        yield daemon


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_segment_s_webhooks_are_stored_and_deletions_are_skipped(
    daemon: Several, http: aiohttp.ClientSession
) -> None:
    call = {"userId": "u1", "originalTimestamp": "2026-01-02T03:04:05Z", "timestamp": "2026-01-02T03:04:04Z"}
    track: dict[str, Any] = {**call, "type": "track", "event": "Opened", "messageId": "m1"}
    delete = {"type": "delete", "userId": "u1", "timestamp": "2026-01-02T03:04:05Z", "messageId": "m2"}
    url = f"{daemon.url}/v1/webhook/hook_key"
    for secret, event in (("old", track), ("new", delete), ("new", delete)):
        body = json.dumps(event).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
        async with http.post(url, data=body, headers={"X-Signature": signature}) as answer:
            assert answer.status == 200, await answer.text()
    async with http.post(url, json=track) as answer:
        assert (answer.status, (await answer.json())["code"]) == (401, "missing_signature")
    ledger = await daemon.settled()
    assert (ledger["accepted"], ledger["duplicates"]) == (2, 1)
    assert await daemon.fate("m1", "hook") == ("delivered", "dry_run")
    assert await daemon.fate("m2", "hook") == ("skipped", "unsupported")


async def test_pages_of_other_origins_are_refused_and_can_read_it(daemon: Several, http: aiohttp.ClientSession) -> None:
    call = {"writeKey": "shop_key", "userId": "u1", "event": "Opened"}
    async with http.options(f"{daemon.url}/v1/t", headers=ORIGIN) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN["Origin"])
    async with http.post(f"{daemon.url}/v1/t", json=call, headers=ORIGIN) as answer:
        assert (answer.status, (await answer.json())["code"]) == (403, "origin_not_allowed")
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
    async with http.post(f"{daemon.url}/v1/t", json=call, headers={"Origin": "https://shop.example.com"}) as answer:
        assert answer.status == 200


async def test_a_source_that_sends_too_much_is_asked_to_wait(daemon: Several, http: aiohttp.ClientSession) -> None:
    call = {"writeKey": "slow_key", "userId": "u1", "event": "Opened"}
    statuses = []
    for _ in range(3):
        async with http.post(f"{daemon.url}/v1/t", json=call) as answer:
            statuses.append(answer.status)
    assert statuses == [200, 200, 429]
    assert 0 < int(answer.headers["Retry-After"]) <= 1800


async def test_settings_give_the_public_url_and_the_document_is_served(
    daemon: Several, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{daemon.url}/v1/projects/{WRITE_KEY}/settings") as answer:
        own = (await answer.json())["integrations"]["Segment.io"]
    assert (own["apiKey"], own["apiHost"], own["protocol"]) == (WRITE_KEY, "events.example.com/v1", "https")
    async with http.get(f"{daemon.url}/openapi.json") as answer:
        assert (await answer.json())["openapi"] == "3.1.0"


async def test_the_picture_is_there_and_its_call_is_stored(daemon: Several, http: aiohttp.ClientSession) -> None:
    query = {"writeKey": WRITE_KEY, "userId": "u1", "event": "Email Opened", "messageId": "px"}
    async with http.get(f"{daemon.url}/v1/pixel/track", params=query) as answer:
        assert (answer.status, answer.content_type) == (200, "image/gif")
    await daemon.settled()
    assert await daemon.fate("px", "hook") == ("delivered", "dry_run")
