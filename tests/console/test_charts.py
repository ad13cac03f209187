"""The charts: lines and numbers that the server draws, and what the script makes of them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import aiohttp
import pytest

from tests.console.browser import chromium
from tests.console.pages import Visitor
from tests.flow.harness import Daemon, destination, eventually

TO_NOBODY = {"base_url": "http://127.0.0.1:9"}
if TYPE_CHECKING:
    from playwright.async_api import Route

HOOK = destination("hook", "collector", TO_NOBODY, mode="dry-run")
IDLE = destination("idle", "collector", TO_NOBODY, mode="dry-run", sources=["other"])
OTHER = {"name": "other", "write_key": "wk_other_456"}
CHARTS = "/destinations/hook/charts"


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    """A daemon that has delivered three events, and has counted them."""
    started = Daemon(tmp_path, [HOOK])
    async with started as daemon:
        for n in range(3):
            await daemon.post("track", userId="u1", event="E", messageId=f"m{n}")
        await daemon.settled()

        async def is_counted() -> bool:
            return (await daemon.get("/api/destinations/hook/line"))["delivered"] == 3  # type: ignore[no-any-return]

        await eventually(is_counted)
        yield daemon


async def test_the_overview_shows_the_last_hour_without_scripts(daemon: Daemon) -> None:
    async with Visitor(daemon.admin_url) as visitor:
        page = await visitor.open("/")
    assert re.search(r"Last hour Disk: [^!]* refused\. accepted 3 ", page.text)
    assert "delivered 3" in page.text
    assert page.html.count('class="spark"') == 3


async def test_a_destination_has_its_charts_as_drawings_and_as_numbers(daemon: Daemon) -> None:
    async with Visitor(daemon.admin_url) as visitor:
        page = await visitor.open(CHARTS)
        assert page.html.count("<figure") == 4
        assert "From acceptance to delivery" in page.text
        assert re.search(r"delivered \S+ \S+ (\d\d:\d\d )?3 dead", page.text), (
            "the sum, whether or not the minute is over"
        )
        day = await visitor.open(page.links["24 hours"])
        assert "Last 24 hours" in day.text
        assert "per 10 minutes" in day.text


async def test_a_period_that_there_is_not_is_an_hour_and_a_destination_that_there_is_not_is_not_found(
    daemon: Daemon,
) -> None:
    async with Visitor(daemon.admin_url) as visitor:
        assert "Last hour" in (await visitor.open(f"{CHARTS}?period=century")).text
        unknown = await visitor.open("/destinations/nobody/charts")
        assert (unknown.status, "No destination 'nobody'" in unknown.text) == (404, True)
        refused = await visitor.open("/series.json?destination=hook&period=century")
        assert (refused.status, "one of 10m" in refused.text) == (409, True)


async def test_the_numbers_for_the_script_are_json_behind_the_login_of_the_pages(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK], admin={"token": "a-token-of-twenty-four-bytes"}) as daemon:
        async with Visitor(daemon.admin_url) as visitor:
            login = await visitor.open("/series.json?destination=hook")
            assert "/login?next=" in login.url
            page = await visitor.send(login, "Log in", token="a-token-of-twenty-four-bytes")
            assert len(json.loads(page.html)["times"]) == 60
            assert page.headers["Cache-Control"] == "no-store"
        await _has_no_inline_code(daemon)


async def _has_no_inline_code(daemon: Daemon) -> None:
    headers = {"Authorization": "Bearer a-token-of-twenty-four-bytes"}
    async with aiohttp.ClientSession() as http, http.get(f"{daemon.admin_url}/login", headers=headers) as answer:
        assert " style=" not in await answer.text()


@pytest.mark.browser
async def test_the_script_draws_the_charts_and_a_stream_leaves_them_there(daemon: Daemon) -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        await page.goto(daemon.admin_url + CHARTS)
        await page.wait_for_selector("figure.drawn canvas")
        assert await page.locator("figure.drawn canvas").count() == 4
        assert await page.locator("figure.chart > svg").first.is_hidden()
        await page.wait_for_selector('#dot[data-state="live"]')
        await daemon.post("track", userId="u1", event="E", messageId="m9")
        await page.wait_for_selector("td.num:has-text('4')")
        assert await page.locator("figure.drawn canvas").count() == 4
        assert said == []


COLOURED = """figure => {
  const dot = new OffscreenCanvas(1, 1).getContext('2d')
  dot.fillStyle = getComputedStyle(figure.querySelector('[data-column]')).stroke
  dot.fillRect(0, 0, 1, 1)
  const colour = [...dot.getImageData(0, 0, 1, 1).data].slice(0, 3)
  const canvas = figure.querySelector('canvas')
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  let n = 0
  for (let at = 0; at < data.length; at += 4) n += data[at + 3] > 128 && colour.every((one, k) => Math.abs(one - data[at + k]) < 8)
  return n
}"""
"""How many dots of a drawing have the colour of its first line."""


async def series_with_one_value(route: Route) -> None:
    """The numbers of a day of which one bucket knows how long deliveries took."""
    answer = await route.fetch()
    series = await answer.json()
    series["columns"]["latency_p50_s"][70] = 2.5
    await route.fulfill(response=answer, json=series)


@pytest.mark.browser
async def test_a_value_between_two_gaps_is_a_point(daemon: Daemon) -> None:
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 320, "height": 800})
        await page.route("**/series.json*", series_with_one_value)
        await page.goto(f"{daemon.admin_url}{CHARTS}?period=24h")
        await page.wait_for_selector("#chart-latency.drawn canvas")
        assert await page.locator("#chart-latency").evaluate(COLOURED) > 0


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_people_who_cannot_see_the_charts_find_no_hindrance(
    daemon: Daemon, scheme: Literal["light", "dark"]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.async_playwright", reason="axe is not installed")
    async with chromium() as browser:
        context = await browser.new_context(color_scheme=scheme, viewport={"width": 320, "height": 800})
        page = await context.new_page()
        for path, part in (("/", "section[aria-labelledby=hour-title]"), (CHARTS, "html")):
            await page.goto(daemon.admin_url + path)
            if path == CHARTS:
                await page.wait_for_selector("figure.drawn canvas")
            found = await axe.Axe().run(page, part)
            hindrances = {
                one["id"]: [node["html"][:90] for node in one["nodes"]] for one in found.response["violations"]
            }
            assert hindrances == {}, path
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320
