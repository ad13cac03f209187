"""The website of the documentation has every page once, and needs no network. `./test` builds it and checks every link."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from tests.docs.pages import ROOT

DOCS = ROOT / "docs"
SITE: dict[str, Any] = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]


def pages(nav: Any) -> Iterator[str]:
    """The pages of a navigation, in order."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from pages(part)


def test_the_navigation_has_every_page_once() -> None:
    listed = list(pages(SITE["nav"]))
    assert len(listed) == len(set(listed))
    assert set(listed) == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}


def test_the_first_page_leads_to_every_page_beside_it() -> None:
    first = (DOCS / "README.md").read_text(encoding="utf-8")
    assert [
        page.name for page in sorted(DOCS.glob("*.md")) if page.name != "README.md" and f"]({page.name})" not in first
    ] == []


def test_nothing_is_loaded_from_the_web() -> None:
    """The plugin `offline` would load one script from there, and a fence for Mermaid another one."""
    assert SITE["theme"]["font"] is False
    assert "offline" in SITE["plugins"]
    assert [(DOCS / script).is_file() for script in SITE["extra"]["polyfills"]] == [True]
    assert "iframe-worker" in SITE["extra"]["polyfills"][0]
    assert SITE["markdown_extensions"]["pymdownx.superfences"] == {}


def test_there_is_a_dark_scheme() -> None:
    assert [palette["scheme"] for palette in SITE["theme"]["palette"]] == ["default", "slate"]


def test_the_checks_build_the_site() -> None:
    assert "zensical build --strict || status=1" in (ROOT / "test").read_text(encoding="utf-8")
