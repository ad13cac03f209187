"""Live: every event newest first, filters in the address, standing still, and what is left out when too many come."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.console.browser import chromium
from tests.console.pages import Page, Visitor
from tests.flow.harness import Daemon, destination, eventually
from tests.patience import HANG_S

HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
GATED = destination("gated", "collector", {"base_url": "http://127.0.0.1:9", "gated": True}, mode="dry-run")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """Three events of two users of whom one belongs to acme, and a call that cannot be used."""
    async with Daemon(tmp_path_factory.mktemp("live"), [HOOK, GATED]) as daemon:
        await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g1")
        await daemon.settled()
        await daemon.post("track", userId="u1", event="Signed Up", messageId="m1")
        await daemon.post("track", userId="u2", event="<b>Bold</b>", messageId="m2/?")
        await daemon.batch([{"type": "track", "userId": "u9", "messageId": "bad"}])
        await daemon.settled()
        yield daemon


def names(page: Page) -> list[str]:
    """The names of the rows, from the top."""
    return [re.sub("<[^>]*>", "", row) for row in re.findall(r'<th scope="row"[^>]*>(.*?)</th>', page.html)]


async def test_events_are_shown_newest_first_with_their_state_at_each_destination(visitor: Visitor) -> None:
    page = await visitor.open("/events")
    assert names(page) == ["&lt;b&gt;Bold&lt;/b&gt;", "Signed Up", "acme"]
    assert "website track Signed Up user:u1 acme ● delivered (dry run) ● delivered (dry run)" in page.text
    assert "<b>Bold</b> user:u2 ● delivered (dry run) ■ held group unknown" in page.text
    assert 'title="it waits for a group call of its user"' in page.html


async def test_a_row_leads_to_its_event(visitor: Visitor) -> None:
    page = await visitor.open("/events")
    assert page.links["<b>Bold</b>"].endswith("/events/m2%2F%3F?source=website")


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("user=u1", ["Signed Up", "acme"]),
        ("type=group", ["acme"]),
        ("company=acme", ["Signed Up", "acme"]),
        ("name=Signed%20Up", ["Signed Up"]),
        ("state=held@gated", ["&lt;b&gt;Bold&lt;/b&gt;"]),
        ("reason=group_unknown", ["&lt;b&gt;Bold&lt;/b&gt;"]),
        ("state=delivered@gated&since=1h", ["Signed Up", "acme"]),
    ],
)
async def test_the_address_filters(query: str, rows: list[str], visitor: Visitor) -> None:
    assert names(await visitor.open(f"/events?{query}")) == rows


async def test_the_form_sets_filters_and_keeps_those_that_are_set(visitor: Visitor) -> None:
    page = await visitor.send(await visitor.open("/events?user=u1"), "Filter", type="group")
    assert names(page) == ["acme"]
    assert names(await visitor.open(page.links["Take the filter type awaytype group ✕"])) == ["Signed Up", "acme"]


async def test_a_wrong_filter_is_named_and_the_form_stays(visitor: Visitor) -> None:
    page = await visitor.open("/events?state=lost")
    assert page.status == 400
    assert "State: 'lost' is no state of an event; write one of delivered, skipped" in page.text
    assert page.form("Filter").fields["state"] == "lost"
    assert "The rows are without this filter." in page.text
    assert names(page) == ["&lt;b&gt;Bold&lt;/b&gt;", "Signed Up", "acme"]
    assert names(await visitor.open("/events?state=lost&user=u1")) == ["Signed Up", "acme"]


async def test_a_state_is_chosen_from_a_list_and_its_capital_does_not_matter(visitor: Visitor) -> None:
    page = await visitor.open("/events?state=Held@gated")
    assert names(page) == ["&lt;b&gt;Bold&lt;/b&gt;"]
    assert page.form("Filter").fields["state"] == "held@gated"
    assert '<optgroup label="at gated">' in page.html


async def test_a_company_that_is_not_found_by_its_name_is_told_to_be_an_id_here(visitor: Visitor) -> None:
    page = await visitor.open("/events?company=Acme%20Inc")
    assert "A company is filtered by its group id" in page.text
    assert "search_traits = true" in page.text


async def test_where_nothing_is_found_each_filter_can_be_taken_away(visitor: Visitor) -> None:
    page = await visitor.open("/events?user=u1&name=Nothing&since=2h")
    assert "No event passes these filters since 2h." in page.text
    assert names(await visitor.open(page.links["Without name Nothing"])) == ["Signed Up", "acme"]


async def test_discards_are_mixed_in_as_struck_rows_with_their_reason(visitor: Visitor) -> None:
    assert "bad" not in names(await visitor.open("/events"))
    page = await visitor.send(await visitor.open("/events"), "Filter", show="discards")
    assert names(page)[0] == "bad"
    assert '<tr class="struck">' in page.html
    assert "⊘ discarded: " in page.text
    assert page.text.count("event_not_defined") == 1
    page = await visitor.open("/events?show=discards&company=acme")
    assert "Discards have no company, so none is shown with this filter." in page.text


async def test_the_number_of_discards_on_the_first_page_leads_to_them_alone_also_those_of_no_source(
    tmp_path: Path,
) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("track", userId="u1", event="Good", messageId="m1")
        await daemon.batch([{"type": "track", "userId": "u9", "messageId": "bad"}])
        first = await visitor.open("/")
        page = await visitor.open(first.links["1 discarded"])
        assert (names(page), page.form("Filter").fields["show"]) == (["bad"], "only")
        assert "Older events" not in page.links


async def test_with_a_person_the_discards_that_name_them_are_shown(visitor: Visitor) -> None:
    assert names(await visitor.open("/events?show=discards&user=u9")) == ["bad"]
    assert "bad" not in names(await visitor.open("/events?show=discards&user=u1"))
    nobody = await visitor.open("/events?show=discards&user=nobody")
    assert "No event passes these filters, and none of the newest discarded calls." in nobody.text
    missed = await visitor.open("/find?q=u9")
    assert names(await visitor.open(missed.links["See the discarded calls that name it"])) == ["bad"]


async def test_a_duplicate_is_shown_beside_the_discards_and_leads_to_the_first_call(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        for name in ("First", "Second", "Third"):
            await daemon.post("track", userId="u1", event=name, messageId="same")
        assert names(await visitor.open("/events")) == ["First"]
        page = await visitor.open("/events?show=discards")
        assert names(page) == ["same", "First"]
        assert (
            "⊘ duplicate: its message id was accepted before, so it was not stored again: the first call counts"
            in page.text
        )
        first = await visitor.open(page.links["same"])
        assert "track First" in first.text
        assert "2 calls with this id came again, the last" in first.text
        assert "They were counted and not stored: this page is of the first call." in first.text


async def test_a_page_that_stands_still_says_how_many_came_since_and_shows_them_when_asked(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("track", userId="u1", event="Before", messageId="m1")
        paused = await visitor.open((await visitor.open("/events")).links["‖ Pause"])
        assert "pause=1&before=2" in paused.url
        assert (names(paused), "Nothing newer." in paused.text) == (["Before"], True)
        for n in range(3):
            await daemon.post("track", userId="u1", event="After", messageId=f"n{n}")

        async def told() -> Page | None:
            page = await visitor.open(paused.url)
            return page if "3 newer, show" in page.text else None

        page = await eventually(told)
        assert page is not None
        assert names(page) == ["Before"]
        assert names(await visitor.open(page.links["3 newer, show"])) == ["After"] * 3 + ["Before"]


async def test_older_events_than_the_page_holds_are_a_page_further(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        for start in range(0, 500, 100):
            await daemon.batch([{"type": "track", "userId": "u", "event": f"E{start + n}"} for n in range(100)])
        first = await visitor.open("/events?pause=1")
        assert (len(names(first)), names(first)[0]) == (200, "E499")
        second = await visitor.open(first.links["Older events"])
        assert (len(names(second)), names(second)[0]) == (200, "E299")
        third = await visitor.open(second.links["Older events"])
        assert names(third)[-1] == "E0"
        assert "Older events" not in third.links


async def test_where_too_many_come_to_be_read_one_in_some_is_shown_and_the_page_says_so(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        sent = 4_000
        for start in range(0, sent, 500):
            await daemon.batch([{"type": "track", "userId": "u", "event": f"E{start + n}"} for n in range(500)])
        page = await visitor.open("/events")
        told = re.search(r"one in ([\d,]+) is shown, ([\d,]+) events in between are left out here", page.text)
        assert told, page.text[:2000]
        shown = [int(name[1:]) for name in names(page)]
        assert len(shown) + int(told[2].replace(",", "")) == sent - min(shown)

        async def all_again() -> bool:
            return names(await visitor.open("/events"))[:3] == ["E3999", "E3998", "E3997"]

        await eventually(all_again, what="the page shows each event once few come")


async def test_an_open_page_gets_new_events_above_and_states_as_they_change(tmp_path: Path) -> None:
    async with (
        Daemon(tmp_path, [GATED]) as daemon,
        aiohttp.ClientSession() as http,
        asyncio.timeout(HANG_S),
        http.get(f"{daemon.admin_url}/events?stream=1") as stream,
    ):
        seen = await _until(stream, b"No event is stored", b"")
        await daemon.post("track", userId="u1", event="First", messageId="m1")
        seen = await _until(stream, b"it waits for a group call of its user", seen)
        await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g1")
        await daemon.emptied()
        last = (await _until(stream, b"acme</a></th>", b"")).decode()
        while last.count("delivered") < 2:
            last = (await stream.content.readany()).decode(errors="replace")


@pytest.mark.parametrize("end", ["\r", "\r\n", "\r\r"])
async def test_a_line_end_in_a_name_is_no_end_of_a_line_of_the_stream(end: str, tmp_path: Path) -> None:
    async with (
        Daemon(tmp_path, [GATED]) as daemon,
        aiohttp.ClientSession() as http,
        asyncio.timeout(HANG_S),
    ):
        await daemon.post("track", userId="u1", event=f"Order{end}done", messageId="m1")
        async with http.get(f"{daemon.admin_url}/events?stream=1") as stream:
            seen = await _until(stream, b"done", b"")
    assert b"\r" not in seen


async def _until(stream: aiohttp.ClientResponse, words: bytes, seen: bytes) -> bytes:
    while words not in seen:
        seen += await stream.content.readany()
    return seen


@pytest.mark.browser
async def test_the_space_bar_pauses_and_goes_on(daemon: Daemon) -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{daemon.admin_url}/events")
        await page.keyboard.press("Space")
        await page.wait_for_url("**/events?pause=1*")
        await page.locator("#dot[data-state=paused]").wait_for()
        await page.keyboard.press("Space")
        await page.wait_for_url("**/events")


@pytest.mark.browser
async def test_a_question_mark_shows_the_keys_on_any_page_and_escape_closes_them(daemon: Daemon) -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        for address in ("/try", "/settings"):
            await page.goto(f"{daemon.admin_url}{address}")
            await page.keyboard.press("?")
            keys = page.get_by_role("dialog", name="Keys")
            await keys.wait_for()
            assert "next row, previous row" in await keys.inner_text()
            await page.keyboard.press("Escape")
            await keys.wait_for(state="hidden")


@pytest.mark.browser
async def test_on_a_narrow_screen_each_row_shows_its_states_without_being_scrolled(daemon: Daemon) -> None:
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 320, "height": 800})
        for address, words in (("/events", "held"), ("/", "(dry run)"), ("/users/user:u2", "held")):
            await page.goto(f"{daemon.admin_url}{address}")
            table = page.locator("table.stack").first
            assert words in await table.inner_text()
            wide = await table.evaluate("table => table.parentElement.scrollWidth - table.parentElement.clientWidth")
            assert wide <= 0, address
