"""Requests of real client libraries, recorded and live: every message id is stored exactly once."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from segment.analytics.client import Client  # type: ignore[import-untyped]

from router.testing.vendor import FakeVendor
from tests.flow.harness import ROOT, WRITE_KEY, Daemon, destination

CAPTURES = sorted((ROOT / "tests" / "fixtures" / "captures").glob("*.json"))
OF_THE_CONNECTION = frozenset({"host", "connection", "content-length", "transfer-encoding"})
HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")


def ids_in(capture: dict[str, Any]) -> set[str]:
    """All message ids of a recording."""
    bodies = [request["body_json"] for request in capture["requests"]]
    return {call["messageId"] for body in bodies for call in body["batch"]}


async def replay(capture: dict[str, Any], url: str) -> list[int]:
    """Send the recorded bytes with the recorded headers. Returns the statuses."""
    statuses = []
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        for request in capture["requests"]:
            headers = [(name, value) for name, value in request["headers"] if name.lower() not in OF_THE_CONNECTION]
            body = base64.b64decode(request["body_base64"])
            async with http.request(request["method"], url + request["path"], data=body, headers=headers) as answer:
                statuses.append(answer.status)
                assert (await answer.json())["success"] is True
    return statuses


async def test_every_recorded_request_is_taken_and_each_message_id_is_stored_exactly_once(tmp_path: Path) -> None:
    """All recordings against one daemon, one after the other."""
    assert CAPTURES
    async with Daemon(tmp_path, [HOOK]) as daemon:
        sent: set[str] = set()
        requests = 0
        for path in CAPTURES:
            capture = json.loads(path.read_text())
            statuses = await replay(capture, daemon.url)
            assert set(statuses) == {200}, (path.name, statuses)
            sent |= ids_in(capture)
            requests += sum(len(request["body_json"]["batch"]) for request in capture["requests"])
        ledger = await daemon.settled()
        stored = [row[0] for row in daemon.rows("SELECT message_id FROM log")]
        assert sorted(stored) == sorted(sent)
        assert ledger["accepted"] == len(sent)
        assert ledger["duplicates"] == requests - len(sent)
        assert ledger["discarded"] == 0
        for id in sent:
            assert (await daemon.message(id))["source"] == "website"


def drive(url: str, gzip: bool) -> tuple[set[str], list[Exception]]:
    """50 calls of all six types through the library. Returns the ids it was given and the errors it met."""
    errors: list[Exception] = []
    client = Client(WRITE_KEY, host=url, gzip=gzip, on_error=lambda error, _: errors.append(error), upload_size=7)
    ids = {f"{'gz' if gzip else 'plain'}-{uuid4()}" for _ in range(50)}
    for n, id in enumerate(sorted(ids)):
        match n % 6:
            case 0:
                client.identify(f"u{n}", {"email": f"u{n}@example.org", "since": datetime.now(UTC)}, message_id=id)
            case 1:
                client.track(f"u{n}", "Order Completed", {"n": n, "name": "Käse 🧀"}, message_id=id)
            case 2:
                client.page(anonymous_id=f"a{n}", category="Docs", name="Start", message_id=id)
            case 3:
                client.screen(f"u{n}", "App", "Home", message_id=id)
            case 4:
                client.group(f"u{n}", f"g{n}", {"name": f"Group {n}"}, message_id=id)
            case 5:
                client.alias(f"a{n}", f"u{n}", message_id=id)
    client.shutdown()
    return ids, errors


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
async def test_the_python_library_delivers_fifty_mixed_calls_without_an_error(tmp_path: Path, gzip: bool) -> None:
    """The library itself, in a thread, against the daemon."""
    async with (
        FakeVendor() as vendor,
        Daemon(tmp_path, [destination("hook", "collector", {"base_url": vendor.url})]) as daemon,
    ):
        ids, errors = await asyncio.to_thread(drive, daemon.url, gzip)
        assert not errors
        ledger = await daemon.settled()
        assert ledger["accepted"] == 50
        assert ledger["discarded"] == 0
        assert ledger["duplicates"] == 0
        assert {row[0] for row in daemon.rows("SELECT message_id FROM log")} == ids
        got = [item["id"] for seen in vendor.requests for item in seen.json()]
        assert len(got) == len(set(got)) == ledger["destinations"]["hook"]["delivered"]
