"""Every state of every screen is really caused by a page or a test that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.explain.trouble_codes import CODES
from tests.browser.every_state import STATES, TROUBLES
from tests.browser.world import PAGES
from tests.flow.harness import ROOT

OF_STATES = {
    name
    for file in Path(__file__).parent.glob("states*.py")
    for name in re.findall(r'"([^"]+)": Seen\(', file.read_text(encoding="utf-8"))
}
EVERY = {"Troubles": TROUBLES, **STATES}


def is_there(named: str) -> bool:
    """Whether there is such a page to look at, or such a test."""
    file, _, test = named.partition("::")
    if not test:
        return named in {*PAGES, *OF_STATES}
    return f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("screen", EVERY)
def test_every_state_of_a_screen_is_caused(screen: str) -> None:
    assert not [(state, named) for state, named in EVERY[screen].items() if not is_there(named)]


def test_every_trouble_is_caused() -> None:
    assert set(TROUBLES) == set(CODES)


def test_every_page_that_is_looked_at_stands_for_a_state() -> None:
    named = {one for states in EVERY.values() for one in states.values()}
    assert not OF_STATES - named
