"""The pages of the configuration in a real browser: the whole way of a change, without scripts and with them, and axe."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.console.browser import chromium
from tests.console.editing import Commented

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scripts", [False, True], ids=["without scripts", "with scripts"])
async def test_a_change_goes_from_the_configuration_to_the_file_by_what_the_pages_say(
    tmp_path: Path, scripts: bool
) -> None:
    async with Commented(tmp_path) as daemon, chromium() as browser:
        page = await (await browser.new_context(java_script_enabled=scripts)).new_page()
        await page.goto(f"{daemon.admin_url}/settings")
        await page.get_by_role("link", name="Change clientsuccess").click()
        await page.get_by_label("Event name of page calls").fill("Page viewed")
        await page.get_by_label("API Key").fill("a-new-key-1")
        await page.get_by_label("website").check()
        await page.get_by_label("all (*)").uncheck()
        await page.get_by_role("button", name="Review the difference").click()
        assert '+page_event = "Page viewed"' in await page.inner_text("main")
        await page.get_by_role("button", name="Write and reload").click()
        assert "config.toml was written and is active" in await page.inner_text("main")
        table = tomllib.loads(daemon.config.read_text())["destination"][0]
        assert (table["sources"], table["settings"]["page_event"]) == (["website"], "Page viewed")
        assert table["settings"]["api_key"] == {"file": "secrets/clientsuccess_api_key"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_and_nothing_is_wider_than_a_phone(tmp_path: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.async_playwright", reason="axe-playwright-python is not installed")
    async with Commented(tmp_path) as daemon, chromium() as browser:
        context = await browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": 320, "height": 800},
            bypass_csp=True,
        )
        page = await context.new_page()

        async def look(state: str) -> None:
            found = (await axe.Axe().run(page)).response["violations"]
            assert [(state, one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in found] == []
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320, state

        for path in (
            "/settings",
            "/destinations/new",
            "/destinations/new?plugin=webhook",
            "/destinations/braze/remove",
        ):
            await page.goto(daemon.admin_url + path)
            await look(path)
        await page.goto(f"{daemon.admin_url}/destinations/freshsuccess/edit")
        await look("the form")
        await page.get_by_label("Event API URL").fill("ftp://x")
        await page.get_by_role("button", name="Review the difference").click()
        await look("a fault at a field")
        await page.get_by_label("Event API URL").fill("https://eu.example.com")
        await page.get_by_role("button", name="Review the difference").click()
        await look("the review")
        daemon.config.write_text(daemon.config.read_text() + "rubbish = 1\n")
        await page.goto(f"{daemon.admin_url}/settings")
        await look("a faulty file")
