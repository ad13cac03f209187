"""With JavaScript off every form works."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from router.console.app import FORMS
from tests.browser.look import without_scripts
from tests.browser.states import TOKEN
from tests.browser.world import world
from tests.flow.harness import Daemon, destination

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


async def press(page: Page, words: str | re.Pattern[str]) -> None:
    """Press the first button in the content that says this."""
    await page.locator("main").get_by_role("button", name=words, exact=True).first.click()


async def follow(page: Page, words: str) -> None:
    """Follow the first link in the content that says this."""
    await page.locator("main").get_by_role("link", name=words, exact=True).first.click()


async def says(page: Page, words: str) -> None:
    """The content of the page has these words."""
    await page.locator("main").filter(has_text=words).wait_for()


async def operate(page: Page, at: str) -> None:
    """Pause, resume, test, try the filter."""
    await page.goto(f"{at}/destinations/freshsuccess")
    await page.get_by_label("Reason of the pause").fill("moving house")
    await press(page, "Pause")
    await says(page, "It is paused: its events wait")
    await press(page, "Resume")
    await says(page, "It was resumed")
    await press(page, "Test credentials")
    await says(page, "The test is done")
    await press(page, "Try on the last 100 events")
    await says(page, "would be handled differently now")


async def let_go_and_drop(page: Page, at: str) -> None:
    """What is held."""
    await page.goto(f"{at}/destinations/clientsuccess/held")
    await page.get_by_label("Find a person").fill("user:cid")
    await press(page, "Find")
    await page.get_by_label("Group id").fill("umbrella")
    await page.get_by_label("Group name").fill("Umbrella")
    await press(page, "Release 3 events")
    await says(page, "3 events may go now, in order.")
    await page.goto(f"{at}/destinations/clientsuccess/held?user=user:ann")
    await follow(page, "drop …")
    await press(page, re.compile(r"^Drop \d events$"))
    await says(page, "events that waited are dead letters now")


async def send_again_and_drop(page: Page, at: str) -> None:
    """Dead letters: to a tool that is paused, so that the replay can be stopped."""
    await page.goto(f"{at}/destinations/billing")
    await page.get_by_label("Reason of the pause").fill("a look first")
    await press(page, "Pause")
    await page.goto(f"{at}/destinations/billing/dead")
    await page.get_by_label("Reason").select_option("rejected")
    await press(page, "Show")
    await press(page, "Replay these …")
    await says(page, "16 dead letters would be sent to billing again")
    await press(page, "Replay 16 dead letters")
    await says(page, "The replay has begun: 16 events.")
    await press(page, "Stop")
    await says(page, "The replay was stopped.")
    await page.goto(f"{at}/destinations/scoring/dead")
    await press(page, "Drop all …")
    await page.get_by_label("Type scoring to confirm").fill("scoring")
    await press(page, "Drop 1 dead letter")
    await says(page, "1 dead letter dropped for good")


async def look_for(page: Page, at: str) -> None:
    """Try, the filters of Live, and the search box."""
    await page.goto(f"{at}/try")
    await page.get_by_label("Message id").fill("bob-1")
    await press(page, "Take from the log")
    await press(page, "Try")
    await says(page, "What the plugin makes of it")
    await page.goto(f"{at}/events")
    await page.get_by_role("combobox", name="Type").select_option("group")
    await press(page, "Filter")
    assert "type=group" in page.url
    await page.get_by_role("searchbox").first.fill("globex-1")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/events/globex-1")


async def show_what_is_masked(page: Page, at: str) -> None:
    """Traits of a person, of a company, and of an event."""
    for path, button, hidden in (
        ("/users/user:ann", "Show it", "ann@example.com"),
        ("/groups/globex", "Show it", "Globex"),
        ("/events/ann-0", "Show personal traits", "ann@example.com"),
    ):
        await page.goto(at + path)
        assert hidden not in await page.inner_text("main"), path
        await press(page, button)
        await says(page, hidden)


async def configure(page: Page, at: str) -> None:
    """Change, add, remove and reload; and drop what a destination that was removed before has left."""
    await page.goto(f"{at}/destinations/freshsuccess/edit")
    await page.locator("[name=filter]").last.fill("type = 'track'")
    await press(page, "Review the difference")
    await press(page, "Write and reload")
    await says(page, "config.toml was written and is active")
    await page.goto(f"{at}/destinations/new?plugin=webhook")
    await page.locator("[name=name]").fill("audit")
    await page.get_by_label("Webhook URL").fill("https://example.com/hook")
    await press(page, "Review the difference")
    await says(page, "The reload adds audit")
    await press(page, "Cancel")
    await page.goto(f"{at}/destinations/legacy/remove")
    await page.get_by_label("Write legacy to go on").fill("legacy")
    await press(page, "Review the removal")
    await press(page, "Write and reload")
    await says(page, "config.toml was written and is active")
    await press(page, "Reload")
    await says(page, "config.toml was read again and is active")
    await page.goto(f"{at}/destinations/gone")
    await page.get_by_label("Type gone to confirm").fill("gone")
    await press(page, "Drop all that is kept")
    await says(page, "All that was kept of it was dropped")


async def forget(page: Page, at: str) -> None:
    """A person and a company."""
    for path, typed, button in (
        ("/users/user:bob/forget", "user:bob", "Forget this person"),
        ("/groups/globex/forget", "globex", "Forget this company"),
    ):
        await page.goto(at + path)
        await page.get_by_label(f"Type {typed} to confirm").fill(typed)
        await press(page, button)
        assert "What will be erased" not in await page.inner_text("main"), path


async def log_in_and_out(page: Page, at: str) -> None:
    """With a wrong token first."""
    await page.goto(f"{at}/destinations/hook")
    await page.get_by_label("Admin token").fill("wrong")
    await press(page, "Log in")
    await says(page, "That is not the admin token.")
    await page.get_by_label("Admin token").fill(TOKEN)
    await press(page, "Log in")
    assert page.url == f"{at}/destinations/hook"
    await page.get_by_role("button", name="Log out").click()
    assert page.url.endswith("/login")


VISITS: tuple[Callable[[Page, str], Awaitable[None]], ...] = (
    operate, let_go_and_drop, send_again_and_drop, look_for, show_what_is_masked, configure, forget,
)  # fmt: skip
"""In this order: the later ones take away what the former ones look at."""


def not_sent(paths: set[str]) -> list[str]:
    """The forms of the console that nobody sent."""
    patterns = {name: re.sub(r"{[^}]*}", "[^/]+", path) for name, path, _ in FORMS}
    return [name for name, pattern in patterns.items() if not any(re.fullmatch(pattern, path) for path in paths)]


async def test_every_form_works(browser: Browser, tmp_path: Path) -> None:
    sent: set[str] = set()
    hook = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
    (tmp_path / "guarded").mkdir()
    async with without_scripts(browser) as page:
        page.on("request", lambda one: sent.add(urlsplit(one.url).path) if one.method == "POST" else None)
        async with world(tmp_path, mask="all") as daemon:
            for visit in VISITS:
                await visit(page, daemon.admin_url)
        async with Daemon(tmp_path / "guarded", [hook], admin={"token": TOKEN}) as guarded:
            await log_in_and_out(page, guarded.admin_url)
    assert not not_sent(sent)
