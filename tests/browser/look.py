"""Looks at pages as a browser shows them: axe finds nothing, nothing is too wide, nothing is reported.

With PICTURES in the environment, a folder, a picture of each page that was looked at is written there.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest

from tests.patience import HANG_S

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Page

REPORTS = "window.reports = []; addEventListener('securitypolicyviolation', e => reports.push(e.violatedDirective + ' ' + e.blockedURI))"
TOO_WIDE = (
    "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - document.documentElement.clientWidth"
)
CUT_OFF = "[...document.querySelectorAll('.top nav a')].filter(a => a.getBoundingClientRect().right > innerWidth).map(a => a.textContent)"


class Window(NamedTuple):
    """How a browser shows pages."""

    scheme: Literal["light", "dark"]
    width: int

    def __str__(self) -> str:
        return f"{self.scheme}-{self.width}"


WINDOWS = [Window(scheme, width) for width in (1280, 320) for scheme in ("light", "dark")]


class Look:
    """One tab, and all that it complains of, each with the page on which it did."""

    def __init__(self, page: Page, axe: Any, window: Window) -> None:
        self.page = page
        self.complaints: list[tuple[str, str, object]] = []
        self._axe, self._window = axe, window
        self._name = ""
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._note("page error", str(error)))
        page.on("dialog", lambda dialog: self._note("dialog", dialog.message))

    async def at(self, name: str, address: str) -> None:
        """Open a page, wait until its stream is there, and look."""
        await self.go(name, address)
        await self.look()

    async def go(self, name: str, address: str) -> None:
        """Open a page, and wait until its stream is there."""
        self._name = name
        answer = await self.page.goto(address)
        assert answer is not None
        if answer.status >= 500:
            self._note("status", answer.status)
        if await self.page.locator("#dot").count() and not await self.page.locator("[data-paused]").count():
            await self.page.locator("#dot[data-state=live]").wait_for(state="attached")

    async def shows(self, *words: str) -> None:
        """Wait until the page shows these words."""
        for one in words:
            try:
                await self.page.get_by_text(one).filter(visible=True).first.wait_for()
            except Exception as error:
                error.add_note(f"{self._name}, {self._window}: it does not show {one!r}")
                raise

    async def look(self) -> None:
        """At the page as it is now."""
        if (wider := await self.page.evaluate(TOO_WIDE)) > 0:
            self._note("wider than the window by", wider)
        if cut_off := await self.page.evaluate(CUT_OFF):
            self._note("cut off in the navigation", cut_off)
        for report in await self.page.evaluate("window.reports"):
            self._note("CSP", report)
        for id, nodes in (await self._violations()).items():
            self._note(f"axe {id}", nodes)
        if folder := os.environ.get("PICTURES"):
            file = Path(folder) / f"{re.sub(r'[^a-z0-9]+', '-', self._name.lower())}-{self._window}.png"
            await self.page.screenshot(path=file, full_page=True)

    async def _violations(self) -> dict[str, list[str]]:
        """What axe finds, by rule. It takes a second or more, in which a refresh may exchange what it looks at: what it finds must be
        there at the second look, too."""
        found = await self._found()
        if not found:
            return {}
        again = await self._found()
        return {id: nodes for id, nodes in found.items() if id in again}

    async def _found(self) -> dict[str, list[str]]:
        violations = (await self._axe.run(self.page)).response["violations"]
        return {one["id"]: [node["html"][:160] for node in one["nodes"]][:3] for one in violations}

    def _said(self, message: ConsoleMessage) -> None:
        where, here = re.split("[?#]", message.location["url"])[0], self.page.url.partition("?")[0]
        is_expected = message.text.startswith("Failed to load resource") and where == here  # status 404
        if not (is_expected or message.text.startswith("htmx: htmx:sse:error")):  # the stream is lost
            self._note("console", message.text)

    def _note(self, kind: str, what: object) -> None:
        self.complaints.append((self._name, kind, what))


@asynccontextmanager
async def looking(browser: Browser, window: Window) -> AsyncIterator[Look]:
    """A tab of its own. Skips where axe is not installed."""
    axe = pytest.importorskip("axe_playwright_python.async_playwright", reason="axe-playwright-python is not installed")
    context = await browser.new_context(
        color_scheme=window.scheme, viewport={"width": window.width, "height": 800}, reduced_motion="reduce"
    )
    await context.add_init_script(REPORTS)
    context.set_default_timeout(HANG_S * 1000)
    try:
        yield Look(await context.new_page(), axe.Axe(), window)
    finally:
        await context.close()


@asynccontextmanager
async def without_scripts(browser: Browser) -> AsyncIterator[Page]:
    """A tab that runs no script."""
    context = await browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(HANG_S * 1000)
    try:
        yield await context.new_page()
    finally:
        await context.close()
