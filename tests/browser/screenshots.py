"""Writes a picture of each screen of the console, with the world in it, for the page about it in the docs.

    python -m tests.browser.screenshots        # docs/assets/console/*.png

The pictures are palette PNGs: a page has few colours, and a palette takes a third of the room.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections import Counter
from pathlib import Path
from typing import Literal

from PIL import Image, ImageChops

from tests.browser.pictures import DARK, OF_STATES, SCREENS
from tests.browser.states import STATES
from tests.browser.world import PAGES, world
from tests.console.browser import chromium
from tests.flow.harness import ROOT

FOLDER = ROOT / "docs/assets/console"
WIDTH, TALLEST = 1280, 1600
COLOURS, EXACT = 128, 16
"""Of a palette, and how many of them are the most frequent ones as they are: the background has no tint of its neighbours."""

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


def small(png: bytes) -> bytes:
    """The same picture with a palette, cut where nobody reads on."""
    with Image.open(io.BytesIO(png)) as whole:
        picture = whole.convert("RGB").crop((0, 0, whole.width, min(whole.height, TALLEST)))
    pixels = picture.tobytes()
    frequent = Counter(pixels[at : at + 3] for at in range(0, len(pixels), 3)).most_common(EXACT)
    shown = picture.quantize(COLOURS - EXACT, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette = bytes(shown.getpalette() or ())[: 3 * (COLOURS - EXACT)].ljust(3 * (COLOURS - EXACT), b"\0")
    for number, (colour, _) in enumerate(frequent, COLOURS - EXACT):
        shown.paste(number, mask=where(picture, colour))
        palette += colour
    shown.putpalette(palette)
    out = io.BytesIO()
    shown.save(out, "PNG", optimize=True)
    return out.getvalue()


def where(picture: Image.Image, colour: bytes) -> Image.Image:
    """A mask of the pixels that have exactly this colour."""
    channels = [
        channel.point([255 * (value == wanted) for value in range(256)])
        for channel, wanted in zip(picture.split(), colour, strict=True)
    ]
    return ImageChops.multiply(ImageChops.multiply(channels[0], channels[1]), channels[2])


def save(folder: Path, name: str, png: bytes) -> None:
    """Write a picture."""
    picture = small(png)
    (folder / f"{name}.png").write_bytes(picture)
    print(f"{name}.png {len(picture) // 1000} kB")


async def write_states(folder: Path) -> None:
    """Cause each state, and photograph it."""
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": WIDTH, "height": 800})
        for file, (state, name) in OF_STATES.items():
            with tempfile.TemporaryDirectory() as store:
                async with STATES[state](Path(store)) as shown:
                    seen = shown.pages[name]
                    await page.goto(shown.url + seen.path)
                    await seen.do(page)
                    if shown.then is not None and file != "login":
                        await page.locator("#dot[data-state=live]").wait_for()
                        await shown.then()
                    await page.get_by_text(seen.words).filter(visible=True).first.wait_for()
                    save(folder, file, await page.screenshot(full_page=True))


async def write(folder: Path) -> None:
    """Start the world, and photograph it."""
    with tempfile.TemporaryDirectory() as store:
        async with world(Path(store)) as daemon, chromium() as browser:
            for scheme in SCHEMES:
                context = await browser.new_context(color_scheme=scheme, viewport={"width": WIDTH, "height": 800})
                page = await context.new_page()
                for file, name in SCREENS.items():
                    if scheme == "dark" and file not in DARK:
                        continue
                    await page.goto(daemon.admin_url + PAGES[name].path)
                    if file == "try":
                        await page.locator("main").get_by_role("button", name="Try", exact=True).click()
                    if await page.locator("#dot").count():
                        await page.locator("#dot[data-state=live]").wait_for()
                    save(folder, f"{file}{'-dark' if scheme == 'dark' else ''}", await page.screenshot(full_page=True))
                await context.close()


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    asyncio.run(write(FOLDER))
    asyncio.run(write_states(FOLDER))
