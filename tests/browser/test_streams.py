"""A page that is seen has a stream; one whose stream is refused stays as it was loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.state import DRY
from tests.browser.states import TOKEN, log_in
from tests.flow.harness import Daemon
from tests.patience import HANG_S

if TYPE_CHECKING:
    from playwright.async_api import Browser, Route

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


SEEN = """isSeen => {
  Object.defineProperty(document, 'hidden', {value: !isSeen, configurable: true})
  document.dispatchEvent(new Event('visibilitychange'))
}"""


async def test_a_tab_that_nobody_sees_has_no_stream_and_is_fresh_when_it_is_seen_again(
    browser: Browser, tmp_path: Path
) -> None:
    async with Daemon(tmp_path, [DRY]) as daemon:
        page = await browser.new_page()
        page.set_default_timeout(HANG_S * 1000)
        await page.goto(daemon.admin_url)
        await page.locator("#dot[data-state=live]").wait_for()
        async with page.expect_event("requestfailed", lambda request: "stream=1" in request.url):
            await page.evaluate(SEEN, arg=False)
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        async with page.expect_request("**/*stream=1*"):
            await page.evaluate(SEEN, arg=True)
        await page.get_by_text("1 event accepted").wait_for()
        await page.locator("#dot[data-state=live]").wait_for()
        await page.close()


async def test_what_a_reader_opened_or_chose_stays_so_when_the_page_refreshes(browser: Browser, tmp_path: Path) -> None:
    async with Daemon(tmp_path, [DRY]) as daemon:
        page = await browser.new_page()
        page.set_default_timeout(HANG_S * 1000)
        await daemon.post("track", userId="u1", event="First", messageId="m1")
        await daemon.settled()
        await page.goto(f"{daemon.admin_url}/events/m1")
        await page.locator("#dot[data-state=live]").wait_for()
        await page.get_by_text("steps passed").click()
        await daemon.post("track", userId="u1", event="First", messageId="m1")
        await page.get_by_text("came again").wait_for()
        assert await page.locator("details[open]").count() == 1

        await page.goto(f"{daemon.admin_url}/events")
        await page.locator("#dot[data-state=live]").wait_for()
        await page.keyboard.press("j")
        await daemon.post("track", userId="u1", event="Second", messageId="m2")
        await page.get_by_text("Second").wait_for()
        assert "First" in await page.locator("tr[aria-selected=true]").inner_text()
        await page.close()


async def test_a_session_that_ends_before_the_stream_begins_leaves_the_page_as_it_is(
    browser: Browser, tmp_path: Path
) -> None:
    async with Daemon(tmp_path, [DRY], admin={"token": TOKEN}) as daemon:
        page = await browser.new_page()
        page.set_default_timeout(HANG_S * 1000)

        async def end_the_session_first(route: Route) -> None:
            assert await daemon.terminate() == 0
            await daemon.restart()
            await route.continue_()

        await page.route("**/*stream=1*", end_the_session_first, times=1)
        async with page.expect_response(lambda answer: "stream=1" in answer.url) as refused:
            await page.goto(daemon.admin_url)
            await log_in(page)
        assert (await refused.value).status == 401
        await page.wait_for_load_state("networkidle")
        assert "0 events accepted" in await page.inner_text("main")
        assert await page.inner_text("#dot") == "as loaded"
        await page.close()
