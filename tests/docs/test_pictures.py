"""Every picture in docs/ is shown by a page, every picture that a page shows is there, and the suite makes those of the console."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.pictures import names
from tests.docs.pages import PAGES, ROOT, prose, sections

DOCS = ROOT / "docs"
SCREENS = (
    "Overview", "Find", "Person and company", "Live", "Event", "Destination", "Held and Dead", "Errors", "Replays", "Source", "Try",
    "Configuration", "Add or change a destination", "Who can see it",
)  # fmt: skip


def shown(page: Path) -> Iterator[tuple[str, Path]]:
    """The words and the file of each picture on a page."""
    for words, target in re.findall(r"!\[([^]]*)\]\(([^)#\s]+)[^)]*\)", prose(page)):
        if "://" not in target:
            yield words, (page.parent / target).resolve()


def test_every_picture_is_shown_and_every_one_that_is_shown_is_there() -> None:
    there = {file for kind in ("png", "svg", "jpg", "gif", "webp") for file in DOCS.rglob(f"*.{kind}")}
    used = {file for page in PAGES for _, file in shown(page)}
    assert there - used == set(), "no page shows these"
    assert {file for file in used if DOCS in file.parents} - there == set(), "these are not there"


def test_the_pictures_of_the_console_are_those_that_the_suite_makes() -> None:
    assert {file.stem for file in (DOCS / "assets/console").iterdir()} == names()


@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_of_the_console_has_a_picture_of_every_screen(screen: str) -> None:
    assert "](assets/console/" in sections(DOCS / "console.md")[screen]


def test_every_picture_is_told_in_words() -> None:
    assert not [file for page in PAGES for words, file in shown(page) if len(words.split()) < 3]
