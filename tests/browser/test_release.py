"""What is typed beside a person stays beside that person while the list of who waits changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from router.testing.vendor import FakeVendor
from tests.flow.harness import Daemon, destination
from tests.patience import HANG_S

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


async def test_a_group_id_that_is_being_typed_is_never_moved_to_somebody_else(browser: Browser, tmp_path: Path) -> None:
    async with FakeVendor() as vendor:
        gated = destination("cs", "collector", {"base_url": vendor.url, "gated": True})
        async with Daemon(tmp_path, [gated]) as daemon:
            for user in ("bob", "dan"):
                await daemon.post("track", userId=user, event="E", messageId=f"of-{user}")
                await daemon.becomes(f"of-{user}", "cs", "held")
            page = await browser.new_page()
            page.set_default_timeout(HANG_S * 1000)
            await page.goto(f"{daemon.admin_url}/destinations/cs/held")
            await page.get_by_label("Group id for user:dan").fill("umbrella")
            for user in ("ann", "cid"):  # a row above, and one between
                await daemon.post("track", userId=user, event="E", messageId=f"of-{user}")
                await page.get_by_label(f"Group id for user:{user}").wait_for()
            values = {
                user: await page.get_by_label(f"Group id for user:{user}").input_value()
                for user in ("ann", "bob", "cid", "dan")
            }
            assert values == {"ann": "", "bob": "", "cid": "", "dan": "umbrella"}
            await page.get_by_label("Group name for user:dan").fill("Umbrella")
            row = page.locator("tr").filter(has=page.get_by_label("Group id for user:dan"))
            await row.get_by_role("button", name="Release 1 event").click()
            await page.get_by_text("1 event may go now, in order.").wait_for()
            await daemon.becomes("of-dan", "cs", "delivered")
            assert await daemon.fate("of-bob", "cs") == ("held", "group_unknown")
            await page.close()
