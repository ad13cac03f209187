"""Every page in every state of the world, as a browser shows it: axe finds nothing, nothing is too wide, nothing is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.look import WINDOWS, Window, looking
from tests.browser.world import PAGES
from tests.flow.harness import Daemon

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
async def test_every_page_is_clean(router: Daemon, browser: Browser, window: Window) -> None:
    async with looking(browser, window) as look:
        for name, seen in PAGES.items():
            await look.go(name, router.admin_url + seen.path)
            await seen.do(look.page)
            await look.shows(seen.words, *seen.also)
            await look.look()
        assert not look.complaints, "\n".join(map(str, look.complaints))
