"""With JavaScript off every page reads and every form works."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.world import PAGES, world
from tests.console.browser import chromium
from tests.flow.harness import Daemon, destination
from tests.patience import HANG_S

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

TOKEN = "a-token-of-twenty-four-bytes"


@asynccontextmanager
async def tab(browser: Browser) -> AsyncIterator[Page]:
    """A tab that runs no script."""
    context = await browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(HANG_S * 1000)
    yield await context.new_page()
    await context.close()


async def press(page: Page, words: str) -> None:
    """Press the first button in the content that says this."""
    await page.locator("main").get_by_role("button", name=words, exact=True).first.click()


async def test_every_page_reads(router: Daemon, browser: Browser) -> None:
    async with tab(browser) as page:
        for name, path in PAGES.items():
            answer = await page.goto(router.admin_url + path)
            assert answer is not None
            assert answer.status < 500, name
            text = await page.inner_text("main")
            assert len(text.split()) >= 5, (name, text)
            assert "oading" not in text, name


async def test_every_kind_of_form_works(browser: Browser, tmp_path: Path) -> None:
    async with world(tmp_path) as daemon, tab(browser) as page:
        await page.goto(f"{daemon.admin_url}/destinations/freshsuccess")
        await page.get_by_label("Reason of the pause").fill("moving house")
        await press(page, "Pause")
        assert "It is paused: its events wait" in await page.inner_text("main")
        await press(page, "Resume")
        assert "It was resumed" in await page.inner_text("main")
        await press(page, "Test credentials")
        assert "The test is done" in await page.inner_text("main")
        await press(page, "Try on the last 100 events")
        assert "would come to something else today" in await page.inner_text("main")

        await page.goto(f"{daemon.admin_url}/destinations/clientsuccess/held?user=user:cid")
        await press(page, "Release …")
        await page.get_by_label("Group id").fill("umbrella")
        await page.get_by_label("Group name").fill("Umbrella")
        await press(page, "Show what would go")
        await press(page, "Release 3 events")
        assert "3 events may go now, in order." in await page.inner_text("main")

        await page.goto(f"{daemon.admin_url}/destinations/billing/dead")
        await press(page, "Replay all …")
        assert "16 dead letters would be sent to billing again" in await page.inner_text("main")
        await press(page, "Replay 16 dead letters")
        assert "The replay has begun: 16 events." in await page.inner_text("main")

        await page.goto(f"{daemon.admin_url}/try")
        await press(page, "Try")
        assert "What the plugin makes of it" in await page.inner_text("main")

        await page.goto(f"{daemon.admin_url}/events")
        await page.get_by_role("combobox", name="Type").select_option("group")
        await press(page, "Filter")
        assert "type=group" in page.url
        await page.get_by_role("searchbox").first.fill("globex-1")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/events/globex-1")

        await page.goto(f"{daemon.admin_url}/users/user:ann")
        assert "ann@example.com" not in await page.inner_text("main")
        await press(page, "Show it")
        assert "ann@example.com" in await page.inner_text("main")

        await page.goto(f"{daemon.admin_url}/settings")
        await press(page, "Reload")
        assert "Configuration" in await page.inner_text("main")


async def test_the_login_works(tmp_path: Path) -> None:
    hook = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
    async with chromium() as browser, Daemon(tmp_path, [hook], admin={"token": TOKEN}) as daemon, tab(browser) as page:
        await page.goto(f"{daemon.admin_url}/destinations/hook")
        await page.get_by_label("Admin token").fill("wrong")
        await press(page, "Log in")
        assert "That is not the admin token." in await page.inner_text("main")
        await page.get_by_label("Admin token").fill(TOKEN)
        await press(page, "Log in")
        assert page.url == f"{daemon.admin_url}/destinations/hook"
        await page.get_by_role("button", name="Log out").click()
        assert page.url.endswith("/login")
