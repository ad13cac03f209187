"""The design page shows every component, and no router has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from router.console.assets import FOLDER
from router.console.words import SHAPES
from tests.browser import design
from tests.browser.look import WINDOWS, Window, looking
from tests.console.pages import Visitor
from tests.flow.harness import Daemon

if TYPE_CHECKING:
    from playwright.async_api import Browser

MADE_BY_SCRIPTS = {"drawn", "u-legend"}


def test_every_class_of_the_style_sheet_is_on_it() -> None:
    css = re.sub(r"/\*.*?\*/", "", (FOLDER / "console.css").read_text(encoding="utf-8"), flags=re.DOTALL)
    named = set(re.findall(r"\.([a-z][\w-]*)", re.sub(r"{[^{}]*}", "{}", css)))
    used = set(" ".join(re.findall(r'class="([^"]*)"', design.page().text or "")).split())
    assert named - used == MADE_BY_SCRIPTS, "a component that is not on it, or one that no page has any more"


def test_every_state_and_every_macro_is_on_it() -> None:
    html = design.page().text or ""
    assert not [word for word in SHAPES if f"s-{word}" not in html]
    macros = re.findall(r"{% macro (\w+)", (FOLDER.parent / "templates/macros.html").read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    source = Path(design.__file__).with_suffix(".html").read_text(encoding="utf-8")
    assert not [name for name in macros if f"{name}(" not in source]


async def test_no_router_has_it(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [], console={"edit": True}) as daemon, Visitor(daemon.admin_url) as visitor:
        assert (await visitor.open("/design")).status == 404


@pytest.mark.browser
@pytest.mark.long
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("window", WINDOWS, ids=str)
async def test_it_is_clean(browser: Browser, window: Window) -> None:
    async with design.served() as address, looking(browser, window) as look:
        await look.at("design", address)
        assert not look.complaints, "\n".join(map(str, look.complaints))
