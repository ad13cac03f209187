"""States of a whole router, each really caused, as a browser shows them: small and large, light and dark."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.look import WINDOWS, Look, looking
from tests.browser.state import Seen
from tests.browser.states import STATES

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


async def clean(looks: list[tuple[Look, Seen]]) -> None:
    """Each page shows its words, and has nothing to complain of."""
    for look, seen in looks:
        await look.shows(seen.words, *seen.also)
    for look, _ in looks:
        await look.look()
    complaints = [complaint for look, _ in looks for complaint in look.complaints]
    assert not complaints, "\n".join(map(str, complaints))


@pytest.mark.parametrize("state", STATES)
async def test_a_state_is_shown_and_clean(browser: Browser, tmp_path: Path, state: str) -> None:
    async with AsyncExitStack() as stack, STATES[state](tmp_path) as shown:
        looks: list[tuple[Look, Seen]] = []
        for name, seen in shown.pages.items():
            for window in WINDOWS:
                look = await stack.enter_async_context(looking(browser, window))
                await look.go(name, shown.url + seen.path)
                await seen.do(look.page)
                looks.append((look, seen))
            if shown.then is None:
                await clean(looks)
                await stack.aclose()
                looks.clear()
        if shown.then is not None:
            await shown.then()
            await clean(looks)


async def test_an_operator_sees_two_troubles_and_all_else_without_scrolling(browser: Browser, tmp_path: Path) -> None:
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    async with STATES["two troubles"](tmp_path) as shown:
        await page.goto(shown.url)
        await page.get_by_text("2 troubles").wait_for()
        for words in ("paused because the vendor refused our key", "Sources", "Destinations", "Last hour", "as of"):
            assert await page.get_by_text(words).first.is_visible(), words
        assert await page.evaluate("document.documentElement.scrollHeight") <= 800
    await page.close()
