"""What Try says of a plugin that cannot be used, of faulty settings, and of a hook that raises."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.state import CONSOLE, DRY, Do, Seen, Shown
from tests.flow.harness import PLUGINS, Daemon

if TYPE_CHECKING:
    from playwright.async_api import Page

TRACK = '{"type": "track", "userId": "u1", "event": "%s"}'


def try_plugin(name: str, settings: str, event: str = "E") -> Do:
    """Try an event with a plugin that no destination names."""

    async def do(page: Page) -> None:
        await page.get_by_label("Event, as a library sends it").fill(TRACK % event)
        await page.locator("select[name=destination]").select_option(f"plugin:{name}")
        await page.get_by_text("Other settings").click()
        await page.locator("textarea[name=settings]").fill(settings)
        await page.get_by_role("button", name="Try", exact=True).click()

    return do


@asynccontextmanager
async def trials(folder: Path) -> AsyncIterator[Shown]:
    """A folder of plugins: a good one, one that raises, and one that cannot be imported."""
    daemon = Daemon(folder, [DRY], console=CONSOLE)
    daemon.plugins = folder / "plugins.d"
    daemon.plugins.mkdir()
    for name in ("collector", "saboteur"):
        shutil.copy(PLUGINS / f"{name}.py", daemon.plugins)
    (daemon.plugins / "broken.py").write_text("import nothing_of_this_name\n")
    url = '{"base_url": "https://example.com"}'
    async with daemon:
        pages = {
            "try, a plugin alone": Seen("/try", "Would be sent", try_plugin("collector", url)),
            "try, a plugin that does not load": Seen("/try", "No module named", try_plugin("broken", "")),
            "try, faulty settings": Seen("/try", "nope", try_plugin("collector", '{"base_url": "x", "nope": 1}')),
            "try, a hook raises": Seen("/try", "Traceback", try_plugin("saboteur", url, "hook raises its own")),
        }
        yield Shown(daemon.admin_url, pages)
