"""The page of a source: what it sends, what could not be used, and what it was answered."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp

from tests.console.pages import Visitor
from tests.flow.harness import Daemon, destination

HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
LIBRARY = {"context": {"library": {"name": "analytics.js", "version": "5.2.0"}}}


async def test_clients_keys_and_the_last_event_are_told_of_this_source_only(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, [HOOK])
    daemon.more_sources = [{"name": "app", "write_key": ["wk_app_first_9f", "wk_app_second_aa"]}]
    async with daemon, Visitor(daemon.admin_url) as visitor:
        for n in range(3):
            await daemon.post("track", userId="u", event="E", messageId=f"m{n}", **LIBRARY)
        await daemon.batch([{"type": "track", "userId": "u", "event": "E"}], write_key="wk_test_123")
        page = await visitor.open("/sources/website")
        assert "● running kind segment last event" in page.text
        assert "Write key ending …23, last used" in page.text
        assert "analytics.js 5.2.0 3" in page.text
        assert "(not named) 1" in page.text
        assert "Of the newest 4 events of all sources; 4 are its own." in page.text
        assert "wk_test_123" not in page.html
        other = await visitor.open("/sources/app")
        assert "no event among the newest 4" in other.text
        assert other.text.count("not used since the router was started") == 2


async def test_discards_have_a_cause_a_remedy_and_an_excerpt_as_text(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("track", userId="u", messageId="<b>bold</b>")
        await daemon.post("track", event="E")
        page = await visitor.open("/sources/website")
        assert "1 A track call without an event name event_not_defined" in page.text
        assert "The developers of the app that sends: give each track call an event." in page.text
        assert "Neither userId nor anonymousId id_required" in page.text
        assert "<b>bold</b>" in page.text
        assert "<b>bold" not in page.html


async def test_answers_given_are_counted_with_what_they_mean(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, [HOOK])
    daemon.source = {"origins": ["https://www.example.com"]}
    async with daemon, Visitor(daemon.admin_url) as visitor, aiohttp.ClientSession() as http:
        await daemon.post("track", userId="u", event="E")
        call = {"userId": "u", "event": "E", "writeKey": "wk_test_123"}
        headers = {"Content-Type": "application/json", "Origin": "https://evil.example"}
        async with http.post(f"{daemon.url}/v1/track", data=json.dumps(call), headers=headers) as answer:
            assert answer.status == 403
        async with http.post(f"{daemon.url}/v1/track", json={**call, "writeKey": "wrong"}) as answer:
            assert answer.status == 401
        page = await visitor.open("/sources/website")
        assert "403 1 request a page of another origin" in page.text
        assert "1 request more got 401: their key belongs to no source." in page.text


async def test_what_was_mended_in_its_calls_is_named(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("track", userId="u", event="E", timestamp="yesterday", messageId="m1")
        await daemon.settled()
        assert "timestamp unreadable 1" in (await visitor.open("/sources/website")).text


async def test_violations_and_unknown_events_come_with_the_json_to_add(tmp_path: Path) -> None:
    schema = {"properties": {"properties": {"type": "object", "properties": {"n": {"type": "number"}}}}}
    plan = {"name": "p", "rules": [{"type": "TRACK", "key": "Known", "version": 1, "jsonSchema": schema}]}
    (tmp_path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    daemon = Daemon(tmp_path, [HOOK])
    daemon.source = {"plan": "plan.json"}
    async with daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("track", userId="u", event="Known", properties={"n": "text"}, messageId="m1")
        await daemon.post("track", userId="u", event="New", properties={"size": 3}, messageId="m2")
        await daemon.settled()
        page = await visitor.open("/sources/website")
        assert "Known properties.n Invalid Type: Invalid type. Expected: number, given: string 1" in page.text
        assert "Unknown events" in page.text
        assert "New 1 " in page.text
        assert '"key": "New"' in page.text
        assert '"size": {' in page.text


async def test_a_source_that_is_disabled_or_unknown_says_so(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, [HOOK])
    daemon.source = {"enabled": False}
    async with daemon, Visitor(daemon.admin_url) as visitor:
        page = await visitor.open("/sources/website")
        assert "It is disabled: calls are answered 200 and dropped." in page.text
        assert "It has no tracking plan." in page.text
        missing = await visitor.open("/sources/nobody")
        assert (missing.status, "No source 'nobody'; configured: website." in missing.text) == (404, True)
