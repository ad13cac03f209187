"""Forms in a real browser: it says where a form comes from by headers of its own, and morphs the page while somebody types."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.browser import chromium
from tests.flow.harness import Daemon, destination

pytestmark = pytest.mark.browser
HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")


async def test_what_is_typed_stays_while_the_page_changes_and_the_form_is_taken(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{daemon.admin_url}/destinations/hook")
        await page.locator("#dot[data-state=live]").wait_for()
        await page.fill("input[name=reason]", "moving house")
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await page.locator(".line .s-delivered a", has_text="1").wait_for()
        assert await page.input_value("input[name=reason]") == "moving house"
        await page.get_by_role("button", name="Pause").click()
        await page.get_by_text("It is paused: its events wait").wait_for()
        told = await daemon.get("/api/destinations/hook")
        assert (told["state"], told["pause"]["detail"]) == ("paused", "moving house")
        await page.goto("about:blank")  # its stream ends before the daemon does
