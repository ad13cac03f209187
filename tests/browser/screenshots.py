"""Writes a picture of each screen of the console, with the world in it, for the page about it in the docs.

    python -m tests.browser.screenshots        # docs/assets/console/*.png

The pictures are palette PNGs: a page has few colours, and a palette takes a third of the room.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from pathlib import Path
from typing import Literal

from PIL import Image

from tests.browser.world import PAGES, world
from tests.console.browser import chromium
from tests.flow.harness import ROOT

FOLDER = ROOT / "docs/assets/console"
WIDTH, TALLEST = 1280, 1600
COLOURS = 128

Scheme = Literal["light", "dark"]

SCREENS: dict[str, str] = {
    "overview": "overview",
    "live": "live with discards",
    "person": "person, held",
    "group": "group, without a name",
    "find-none": "find, none",
    "event": "event, held",
    "event-request": "event, its request",
    "event-script": "event, script",
    "destination": "destination, holding",
    "destination-paused": "destination, key refused",
    "destination-breaker": "destination, breaker open",
    "charts": "charts",
    "held": "held",
    "release": "release, its number",
    "dead": "dead",
    "errors": "errors",
    "replay": "replay, its number",
    "replays": "replays",
    "source": "source",
    "try": "try",
    "settings": "settings",
    "edit": "edit",
    "new-destination": "new destination",
}
"""The name of each file, and the page that it shows."""

DARK = ("overview", "live", "person", "event", "destination")


def small(png: bytes) -> bytes:
    """The same picture with a palette, cut where nobody reads on."""
    with Image.open(io.BytesIO(png)) as whole:
        picture = whole.convert("RGB").crop((0, 0, whole.width, min(whole.height, TALLEST)))
    out = io.BytesIO()
    picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


async def write(folder: Path) -> None:
    """Start the world, and photograph it."""
    with tempfile.TemporaryDirectory() as store:
        async with world(Path(store)) as daemon, chromium() as browser:
            schemes: tuple[Scheme, ...] = ("light", "dark")
            for scheme in schemes:
                context = await browser.new_context(color_scheme=scheme, viewport={"width": WIDTH, "height": 800})
                page = await context.new_page()
                for file, name in SCREENS.items():
                    if scheme == "dark" and file not in DARK:
                        continue
                    await page.goto(daemon.admin_url + PAGES[name])
                    if file == "try":
                        await page.locator("main").get_by_role("button", name="Try", exact=True).click()
                    if await page.locator("#dot").count():
                        await page.locator("#dot[data-state=live]").wait_for()
                    picture = small(await page.screenshot(full_page=True))
                    target = folder / f"{file}{'-dark' if scheme == 'dark' else ''}.png"
                    target.write_bytes(picture)
                    print(f"{target.name} {len(picture) // 1000} kB")
                await context.close()


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    asyncio.run(write(FOLDER))
