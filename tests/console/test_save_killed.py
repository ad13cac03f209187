"""A save whose browser goes away, or whose daemon is stopped or killed in the middle: config.toml is the old one or the new one,
whole, and the next page says which. Real processes; the plugin holds the reload that follows the write."""

from __future__ import annotations

import asyncio
import signal
import tomllib
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from tests.console.pages import Page, Visitor
from tests.flow.harness import Daemon, destination, eventually

pytestmark = pytest.mark.long

PLUGIN = """
import time
from pathlib import Path

from router.plugin import Item, Request, Settings, hookimpl

HERE = Path(__file__).parent


class Own:
    settings_model = Settings

    def __init__(self, settings):
        while (HERE / "hold").exists() and "type = 'track'" in (HERE.parent / "config.toml").read_text():
            time.sleep(0.01)

    @hookimpl
    def track(self, event):
        return Item({})

    @hookimpl
    def request(self, items):
        return Request("http://127.0.0.1:9", body=b"")
"""
WRITTEN, NOT_WRITTEN = "It was written: config.toml has it, and is active since", "config.toml does not have it"


class Held(Daemon):
    """One whose plugin can be made only when nothing holds it, once config.toml has the change."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, [destination("own", "own", {}, mode="dry-run")], console={"edit": True})
        self.plugins = folder / "own"
        self.plugins.mkdir()
        (self.plugins / "own.py").write_text(PLUGIN)
        self.hold = self.plugins / "hold"

    async def is_written(self) -> None:
        """Wait until config.toml has the change."""

        async def has_it() -> bool:
            return "type = 'track'" in self.config.read_text()

        await eventually(has_it, what="config.toml is written")


async def reviewed(visitor: Visitor) -> Page:
    form = await visitor.open("/destinations/own/edit")
    return await visitor.send(form, "Review the difference", do="review", filter="type = 'track'")


async def test_a_save_goes_on_when_its_browser_goes_away_and_its_next_page_says_that_it_was_written(
    tmp_path: Path,
) -> None:
    async with Held(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        review = await reviewed(visitor)
        daemon.hold.touch()
        pressed = asyncio.create_task(visitor.send(review, "Write and reload"))
        await daemon.is_written()
        pressed.cancel()
        with suppress(asyncio.CancelledError):
            await pressed
        again = asyncio.create_task(visitor.open(review.url))
        daemon.hold.unlink()
        page = await again
        assert (page.status, WRITTEN in page.text) == (200, True), page.text
        assert (await daemon.get("/api/configuration"))["via"] == "console"


async def test_a_stop_in_the_middle_takes_it_back_and_the_next_page_says_that_it_was_not_written(
    tmp_path: Path,
) -> None:
    async with Held(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        before, review = daemon.config.read_bytes(), await reviewed(visitor)
        daemon.hold.touch()
        pressed = asyncio.create_task(visitor.send(review, "Write and reload"))
        await daemon.is_written()
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        await daemon.logged("daemon_stopping")
        assert await daemon.terminate() == 0, "a second signal cuts what still runs"
        with suppress(aiohttp.ClientError):
            await pressed
        assert daemon.config.read_bytes() == before
        daemon.hold.unlink()
        await daemon.restart()
        page = await visitor.open(review.url)
        assert (page.status, NOT_WRITTEN in page.text) == (404, True), page.text


async def test_after_a_kill_behind_the_write_the_next_page_says_that_it_was_written(tmp_path: Path) -> None:
    async with Held(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        review = await reviewed(visitor)
        daemon.hold.touch()
        pressed = asyncio.create_task(visitor.send(review, "Write and reload"))
        await daemon.is_written()
        daemon.kill()
        with suppress(aiohttp.ClientError):
            await pressed
        daemon.hold.unlink()
        await daemon.restart()
        page = await visitor.open(review.url)
        assert (page.status, WRITTEN in page.text) == (200, True), page.text


async def test_whenever_it_is_killed_the_file_is_whole_and_the_page_agrees_with_it(tmp_path: Path) -> None:
    async with Held(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        old = daemon.config.read_bytes()
        for ms in range(0, 100, 10):
            daemon.config.write_bytes(old)
            assert (await daemon.admin("POST", "/api/reload"))[0] == 200
            review = await reviewed(visitor)
            pressed = asyncio.create_task(visitor.send(review, "Write and reload"))
            await daemon.kill_after(ms / 1000)
            with suppress(aiohttp.ClientError):
                await pressed
            found = daemon.config.read_bytes()
            [table] = tomllib.loads(found.decode())["destination"]
            assert found == old or table["filter"] == "type = 'track'", found
            await daemon.restart()
            page = await visitor.open(review.url)
            assert (WRITTEN if found != old else NOT_WRITTEN) in page.text
