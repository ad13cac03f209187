"""The page of a destination, in each state it can have: each is really caused."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from router.testing.vendor import FakeVendor, Reply
from tests.console.pages import Scene, Visitor
from tests.flow.harness import Daemon, destination, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOBODY = "http://127.0.0.1:9"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One daemon with a destination in each state."""
    folder = tmp_path_factory.mktemp("scene")
    async with FakeVendor() as well, FakeVendor() as locked, FakeVendor() as busy, FakeVendor() as down:
        locked.default, busy.default = Reply(401, body=b"invalid api key"), Reply(429, headers={"Retry-After": "600"})
        down.default = Reply(503, body=b"upstream 17 is busy")
        tables = [
            destination("gated", "collector", {"base_url": well.url, "gated": True}, filter="event != 'Heartbeat'"),
            destination("picky", "collector", {"base_url": well.url}, filter="event != 'Heartbeat'"),
            destination("dry", "collector", {"base_url": NOBODY}, mode="dry-run", consent=["marketing"]),
            destination("locked", "collector", {"base_url": locked.url}),
            destination("busy", "collector", {"base_url": busy.url}),
            destination("down", "collector", {"base_url": down.url}),
            destination("off", "collector", {"base_url": well.url}, enabled=False),
            destination("byhand", "collector", {"base_url": well.url}),
            destination("gone", "collector", {"base_url": well.url, "gated": True}),
        ]
        async with Daemon(folder, tables) as daemon, Visitor(daemon.admin_url) as visitor:
            for n in range(12):
                await daemon.post("track", userId=f"u{n}", event="E", messageId=f"m{n}")
            await daemon.post("track", userId="u1", event="Heartbeat", messageId="beat")
            await daemon.becomes("beat", "gated", "filtered")
            await daemon.becomes("beat", "gone", "held")
            await daemon.settled("gated", "picky", "gone")
            await daemon.admin("POST", "/api/destinations/byhand/pause", {"reason": "moving house"})
            for name, state in (("locked", "paused"), ("busy", "paused"), ("down", "breaker_open")):
                await eventually(lambda name=name, state=state: is_in(daemon, name, state))  # type: ignore[misc]
            daemon.destinations.pop()
            await daemon.reload()
            yield Scene(daemon, visitor)


async def is_in(daemon: Daemon, name: str, state: str) -> bool:
    return bool((await daemon.get(f"/api/destinations/{name}"))["state"] == state)


async def test_the_line_shows_the_numbers_of_the_ledger_with_the_lists_behind_them(scene: Scene) -> None:
    page = await scene.visitor.open("/destinations/gated")
    counts = await scene.daemon.counts("gated")
    assert (counts["held"], counts["filtered"]) == (12, 1)
    assert "accepted 13 ─ filtered 1 since the start: filter 1 ┄ skipped 0 ■ held 12" in page.text
    assert 'href="/destinations/gated/held">12</a>' in page.html
    assert 'href="/events?state=filtered@gated">1</a>' in page.html
    assert "● delivered 0 Of all" in page.text


async def test_the_line_in_per_cent(scene: Scene) -> None:
    page = await scene.visitor.open("/destinations/gated?as=percent")
    assert "accepted 100.0 % ─ filtered 7.7 %" in page.text


async def test_what_waits_is_told_by_reason_with_who_acts(scene: Scene) -> None:
    page = await scene.visitor.open("/destinations/gated")
    assert "It waits for a group call of its user Send a group call for this user" in page.text
    assert "12 12" in page.text


async def test_settings_and_conditions_are_shown_as_they_are_in_force(scene: Scene) -> None:
    page = await scene.visitor.open("/destinations/gated")
    assert "gated true" in page.text
    assert "Filter event != 'Heartbeat'" in page.text
    assert "Needs all of: marketing" in (await scene.visitor.open("/destinations/dry")).text


async def test_a_pause_by_hand_says_why_since_when_and_can_be_ended(scene: Scene) -> None:
    page = await scene.visitor.open("/destinations/byhand")
    assert "paused by an operator (moving house), since" in page.text
    page = await scene.visitor.send(page, "Resume")
    assert "It was resumed. If the cause is still there, it is paused again." in page.text
    assert "● running" in page.text
    page = await scene.visitor.send(page, "Pause", reason="the <b>second</b> move")
    assert "It is paused: its events wait" in page.text
    assert "(the <b>second</b> move)" in page.text
    told = await scene.daemon.get("/api/destinations/byhand")
    assert told["pause"]["detail"] == "the <b>second</b> move"
    lines = [line for line in await scene.daemon.logged("operator_acted") if line["destination"] == "byhand"]
    assert [(line["action"], line["via"]) for line in lines] == [
        ("pause", "api"), ("resume", "console"), ("pause", "console"),
    ]  # fmt: skip


async def test_a_refused_key_says_who_acts_and_when_it_probes(scene: Scene) -> None:
    page = await scene.visitor.open("/destinations/locked")
    assert "paused because the vendor refused our key" in page.text
    assert "correct the key and reload; next try in " in page.text
    assert "What waits is queued behind the pause: see State." in page.text
    assert (
        "locked is paused because the vendor refused our key"
        in (await scene.visitor.open("/destinations/locked/errors")).text
    )


async def test_a_wait_that_the_vendor_asked_for_says_until_when(scene: Scene) -> None:
    page = await scene.visitor.open("/destinations/busy")
    assert "paused because the vendor asked for it" in page.text
    assert "Nothing to do: it goes on by itself; next try in 9 min" in page.text


async def test_an_open_breaker_shows_what_is_answered(scene: Scene) -> None:
    page = await scene.visitor.open("/destinations/down")
    assert "fails again and again (the vendor answered with status 503)" in page.text
    assert "upstream … is busy" in page.text


async def test_disabled_and_dry_run_say_what_that_means(scene: Scene) -> None:
    assert "disabled in config.toml: new events are filtered" in (await scene.visitor.open("/destinations/off")).text
    assert "Dry run: events are decided" in (await scene.visitor.open("/destinations/dry")).text


async def test_a_check_is_shown_where_it_was_asked_for(scene: Scene) -> None:
    page = await scene.visitor.send(await scene.visitor.open("/destinations/dry"), "Test credentials")
    assert "The test is done; its result is below." in page.text
    assert re.search(r"Tested (now|\d+ s ago): ", page.text)
    assert "this plugin has no request that only tries the credentials" in page.text


async def test_the_last_events_are_tried_with_todays_filter_and_nothing_is_sent(scene: Scene) -> None:
    daemon, visitor = scene
    page = await visitor.send(await visitor.open("/destinations/picky"), "Try on the last 100 events")
    assert "0 of 13 would be handled differently now." in page.text
    [table] = [table for table in daemon.destinations if table["name"] == "picky"]
    table["filter"] = "event = 'Heartbeat'"
    await daemon.reload()
    page = await visitor.send(await visitor.open("/destinations/picky"), "Try on the last 100 events")
    assert "13 of 13 would be handled differently now." in page.text
    assert "track beat ─ filtered filter would be sent" in page.text
    assert (await daemon.counts("picky"))["delivered"] == 12


async def test_a_destination_that_was_removed_shows_what_is_kept_and_drops_it_only_by_its_name(scene: Scene) -> None:
    page = await scene.visitor.open("/destinations/gone")
    assert "What it had is kept: 13 held" in page.text
    refused = await scene.visitor.send(page, "Drop all", name="gated")
    assert (refused.status, "Type gone to confirm; nothing was dropped." in refused.text) == (409, True)
    page = await scene.visitor.send(page, "Drop all", name="gone")
    assert "All that was kept of it was dropped: 13 events." in page.text
    assert (await scene.visitor.open("/destinations/gone")).status == 404


async def test_an_unknown_destination_is_not_found_and_names_those_there_are(scene: Scene) -> None:
    page = await scene.visitor.open("/destinations/nobody")
    assert page.status == 404
    assert "No destination 'nobody'; configured: " in page.text


async def test_a_button_that_another_site_presses_does_nothing(scene: Scene) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}, {}):
        answer = await scene.visitor.post("/destinations/dry/pause", {}, headers)
        assert answer.status == 403
    assert await is_in(scene.daemon, "dry", "running")


async def test_the_page_keeps_itself_fresh(scene: Scene) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{scene.daemon.admin_url}/destinations/dry?stream=1") as stream,
    ):
        seen = b""
        while b"The Line" not in seen:
            seen += await stream.content.readany()
    assert b"@form-token" not in seen


async def test_every_table_of_the_page_has_a_caption_and_every_field_a_name(scene: Scene) -> None:
    html = (await scene.visitor.open("/destinations/gated")).html
    assert html.count("<table") == html.count("<caption")
    assert "style=" not in html
    assert "onclick" not in html
    assert json.dumps("***") not in html


async def test_the_line_of_a_period_counts_what_came_to_an_end_in_it_and_what_waits_now(scene: Scene) -> None:
    page = await scene.visitor.open("/destinations/picky?period=1h")
    assert "accepted 13 ─ filtered 1 filter 1" in page.text
    assert "● delivered 12 p50 " in page.text
    assert "An event may wait longer than a period, so the numbers need not add up." in page.text
    assert "The seven add up." in (await scene.visitor.open("/destinations/picky?period=century")).text


async def test_the_tabs_lead_to_the_charts_and_to_no_form_that_may_not_be_used(scene: Scene) -> None:
    page = await scene.visitor.open("/destinations/picky")
    assert page.links["Charts"].endswith("/destinations/picky/charts")
    assert "Edit" not in page.links


async def test_a_warning_of_a_plugin_is_told_in_words_and_a_secret_that_is_not_there_is_not_shown_as_set(
    tmp_path: Path,
) -> None:
    table = destination("braze", "braze", {"api_key": {"env": "NO_SUCH_KEY"}}, mode="dry-run")
    async with Daemon(tmp_path, [table]) as daemon, Visitor(daemon.admin_url) as visitor:
        bought = {"products": "none", "revenue": 1}
        await daemon.post("track", userId="u1", event="Order Completed", messageId="m1", properties=bought)
        await daemon.settled()
        page = await visitor.open("/destinations/braze")
        assert "Its plugin warned 1 time: products not a list." in page.text
        assert "not set, env NO_SUCH_KEY" in page.text
