"""With JavaScript off every page reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.look import without_scripts
from tests.browser.world import PAGES
from tests.flow.harness import Daemon

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


async def test_every_page_reads(router: Daemon, browser: Browser) -> None:
    async with without_scripts(browser) as page:
        for name, seen in PAGES.items():
            answer = await page.goto(router.admin_url + seen.path)
            assert answer is not None
            assert answer.status < 500, name
            await seen.do(page)
            text = await page.inner_text("main")
            assert seen.words.casefold() in text.casefold(), (name, text)
            assert "oading" not in text, name
