"""Every page in every state of the world, as a browser shows it: axe finds nothing, nothing is too wide, nothing is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.browser.world import PAGES
from tests.flow.harness import Daemon
from tests.patience import HANG_S

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Page

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

REPORTS = "window.reports = []; addEventListener('securitypolicyviolation', e => reports.push(e.violatedDirective + ' ' + e.blockedURI))"
TOO_WIDE = (
    "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - document.documentElement.clientWidth"
)


class Look:
    """One tab, and all that it complains of, each with the page on which it did."""

    def __init__(self, page: Page, axe: Any) -> None:
        self.complaints: list[tuple[str, str, object]] = []
        self._page, self._axe = page, axe
        self._name = ""
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._note("page error", str(error)))
        page.on("dialog", lambda dialog: self._note("dialog", dialog.message))

    async def at(self, name: str, address: str) -> None:
        """Open a page, wait until its stream is there, and look."""
        self._name = name
        answer = await self._page.goto(address)
        assert answer is not None
        if answer.status >= 500:
            self._note("status", answer.status)
        if await self._page.locator("#dot").count() and not await self._page.locator("[data-paused]").count():
            await self._page.locator("#dot[data-state=live]").wait_for(state="attached")
        if (wider := await self._page.evaluate(TOO_WIDE)) > 0:
            self._note("wider than the window by", wider)
        for report in await self._page.evaluate("window.reports"):
            self._note("CSP", report)
        for one in (await self._axe.run(self._page)).response["violations"]:
            self._note(f"axe {one['id']}", [node["html"][:160] for node in one["nodes"]][:3])

    def _said(self, message: ConsoleMessage) -> None:
        is_of_the_page_itself = message.location["url"].partition("#")[0] == self._page.url
        if not (message.text.startswith("Failed to load resource") and is_of_the_page_itself):  # it has status 404
            self._note("console", message.text)

    def _note(self, kind: str, what: object) -> None:
        self.complaints.append((self._name, kind, what))


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_clean(
    router: Daemon, browser: Browser, scheme: Literal["light", "dark"], width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.async_playwright", reason="axe-playwright-python is not installed")
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    await context.add_init_script(REPORTS)
    context.set_default_timeout(HANG_S * 1000)
    look = Look(await context.new_page(), axe.Axe())
    for name, path in PAGES.items():
        await look.at(name, router.admin_url + path)
    await context.close()
    assert not look.complaints, "\n".join(map(str, look.complaints))
