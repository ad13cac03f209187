"""The page of a source: what it sends, what could not be used, and what it was answered."""

from __future__ import annotations

import json
import re
from pathlib import Path

import aiohttp

from tests.console.pages import Visitor
from tests.flow.harness import Daemon, destination
from tests.flow.odd_daemon import OddDaemon, odd_machine
from tests.flow.test_forgetting import forget

__all__ = ["odd_machine"]

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


async def test_its_rate_is_told_beside_that_of_the_same_hour_of_the_last_week(odd_machine: Path) -> None:
    async with OddDaemon(odd_machine, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        for n in range(40):
            await daemon.post("track", userId="u", event="E", messageId=f"m{n}")
        await daemon.post("track", userId="u", event="E", messageId="m1")
        page = await visitor.open("/sources/website")
        assert (
            "/s now. 40 events in the last hour; a week before is not known: the router did not run then" in page.text
        )
        assert "40 accepted, 0 discarded, 1 duplicate ignored" in page.text
        assert await daemon.terminate() == 0
        daemon.wall(7 * 86_400 + 1_800)  # half of that hour, or nearly, is in the hour before
        await daemon.restart()
        await daemon.post("track", userId="u", event="E", messageId="new")
        page = await visitor.open("/sources/website")
        assert "1 event in the last hour; " in page.text
        assert re.search(r"hour; [1-9]\d? in the same hour of the last week \(-\d+ %\)", page.text), page.text


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
        ios = {"context": {"library": {"name": "analytics-ios", "version": "3.7"}}}
        await daemon.post("track", userId="u", event="E", timestamp="yesterday", messageId="m1", **ios)
        await daemon.post("track", userId="u", event="E", timestamp="yesterday", messageId="m2")
        await daemon.post("track", userId="u", event="E", properties=[], messageId="m3", **ios)
        now = "2026-01-02T03:04:05Z"
        await daemon.post("track", userId="u", event="E", messageId="m4", sentAt=now, **LIBRARY)
        await daemon.settled()
        page = await visitor.open("/sources/website")
        assert (
            "timestamp could not be read, so it counted as absent, 2 times sent by analytics-ios 3.7 (1)" in page.text
        )
        assert (
            "properties was an empty list, read as an empty object, 1 time sent by analytics-ios 3.7 (1)" in page.text
        )
        [ios_row] = re.findall(r"analytics-ios 3.7 2 .*?sends no sentAt", page.text)
        assert "analytics.js" not in ios_row
        assert page.text.count("sends no sentAt") == 2, "that of the call without a library, too, and not analytics.js"


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


async def test_events_of_a_forgotten_person_are_counted_without_a_library(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("track", userId="gone", event="E", messageId="m1", **LIBRARY)
        await daemon.post("track", userId="u", event="E", messageId="m2", **LIBRARY)
        await daemon.settled()
        await forget(daemon, "gone")
        page = await visitor.open("/sources/website")
        assert "Of the newest 2 events of all sources; 2 are its own." in page.text
        assert "analytics.js 5.2.0 1" in page.text
        assert "(not named) 1" in page.text
        page = await visitor.send(await visitor.open("/destinations/hook"), "Try on the last 100 events")
        assert "1 event with today's configuration" in page.text


async def test_a_source_that_is_disabled_or_unknown_says_so(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, [HOOK])
    daemon.source = {"enabled": False}
    async with daemon, Visitor(daemon.admin_url) as visitor:
        page = await visitor.open("/sources/website")
        assert "It is disabled: calls are answered 200 and dropped." in page.text
        assert "It has no tracking plan." in page.text
        missing = await visitor.open("/sources/nobody")
        assert (missing.status, "No source 'nobody'; configured: website." in missing.text) == (404, True)
