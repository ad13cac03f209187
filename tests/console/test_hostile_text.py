"""What senders write is text on every page, and breaks no layout."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.console.browser import chromium
from tests.console.pages import Visitor
from tests.flow.harness import Daemon, destination

pytestmark = pytest.mark.asyncio(loop_scope="module")

ODD = "a/b <script>alert(1)</script> \u202egnol\u202c 🎈"
LONG = "w" * 31_000
GROUP = "g/<img src=x>"
HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9", "gated": True}, mode="dry-run")
PATHS = [
    "/",
    f"/users/{quote(f'user:{ODD}', safe='')}",
    f"/groups/{quote(GROUP, safe='')}",
    f"/find?q={quote(ODD + 'x')}",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    folder: Path = tmp_path_factory.mktemp("hostile")
    async with Daemon(folder, [HOOK]) as daemon:
        traits = {"name": f"<b>{ODD}</b>", "email": "<i>@example.com", "bio": LONG, "<u>": {"deep": ["<u>"]}}
        await daemon.post("identify", userId=ODD, traits=traits, messageId="<m1>")
        await daemon.post("group", userId=ODD, groupId=GROUP, traits={"industry": LONG}, messageId="m/2")
        await daemon.post("track", userId=ODD, event=LONG, messageId="m3")
        await daemon.post("track", userId=ODD, event="<script>alert(2)</script>", messageId="m4")
        await daemon.settled()
        yield daemon


@pytest.mark.parametrize("path", PATHS, ids=["overview", "person", "group", "find"])
async def test_it_is_never_markup(daemon: Daemon, path: str) -> None:
    async with Visitor(daemon.admin_url) as visitor:
        page = await visitor.open(path)
        assert page.status in (200, 404)
        for markup in ("<script>alert", "<img src=x", "<b>", "<i>", "<u>"):
            assert markup not in page.html


async def test_a_person_with_an_odd_id_is_found_and_shown(daemon: Daemon) -> None:
    async with Visitor(daemon.admin_url) as visitor:
        page = await visitor.open(f"/find?q={quote(ODD)}")
        assert "Where their events are" in page.text
        assert "2 events wait since" in page.text
        group = await visitor.open(PATHS[2])
        assert "no group call has told its name" in group.text
        assert f"user:{ODD}" in group.text


@pytest.mark.browser
async def test_no_page_is_wider_than_a_small_phone(daemon: Daemon) -> None:
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 320, "height": 700})
        for path in PATHS:
            await page.goto(daemon.admin_url + path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320, path
