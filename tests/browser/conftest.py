"""One browser and one router with everything in it, for all tests that only look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.browser.world import world
from tests.console.browser import chromium
from tests.flow.harness import Daemon

if TYPE_CHECKING:
    from playwright.async_api import Browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium. Skips what needs it where it is not there."""
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def router(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """The router to look at, at rest; started only where there is a browser."""
    async with world(tmp_path_factory.mktemp("world")) as daemon:
        yield daemon
