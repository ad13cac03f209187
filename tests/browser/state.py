"""What a state of a router is: its pages, what each must show, and what a visitor does there first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tests.flow.harness import destination

if TYPE_CHECKING:
    from playwright.async_api import Page

DRY = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
CONSOLE = {"instance": "prod-1"}

Do = Callable[["Page"], Awaitable[None]]


async def nothing(page: Page) -> None:
    """The visitor only looks."""


class Seen(NamedTuple):
    """A page of a state."""

    path: str
    words: str  #: that it must show in the end
    do: Do = nothing  #: what the visitor does there first
    also: Sequence[str] = ()  #: further words that it must show


class Shown(NamedTuple):
    """The pages of a state, by name."""

    url: str
    pages: Mapping[str, Seen]
    then: Callable[[], Awaitable[None]] | None = None  #: what happens once all of them are open


def try_it(event: str, at: str = "", answer: str = "") -> Do:
    """Try this event."""

    async def do(page: Page) -> None:
        await page.get_by_label("Event, as a library sends it").fill(event)
        await page.locator("select[name=destination]").select_option(at)
        await page.locator("select[name=answer]").select_option(answer)
        await page.get_by_role("button", name="Try", exact=True).click()

    return do


def take_from_the_log(message_id: str) -> Do:
    """Try this event."""

    async def do(page: Page) -> None:
        await page.get_by_label("Message id").fill(message_id)
        await page.get_by_role("button", name="Take from the log").click()
        await page.get_by_role("button", name="Try", exact=True).click()

    return do


def change(field: str, value: str) -> Do:
    """Change a setting, and ask for the difference."""

    async def do(page: Page) -> None:
        await page.locator(f"[name={field}]").last.fill(value)
        await page.get_by_role("button", name="Review the difference").click()

    return do
