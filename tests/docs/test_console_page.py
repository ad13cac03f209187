"""docs/console.md has the shapes, keys and bounds that the console has, and a heading for each of its screens."""

from __future__ import annotations

import re

import pytest

from router.admin import lookups
from router.console import live_rate, live_tail, patience, sessions
from router.console.views import source
from router.console.words import SHAPES
from router.ingest import limits
from router.store import search_bounds
from router.store.sqlite.queries import finding
from router.vocabulary import DestinationState, EventState
from tests.docs.pages import ROOT, sections

PAGE = ROOT / "docs/console.md"
SECTIONS = sections(PAGE)


def test_it_shows_each_state_with_its_shape() -> None:
    shown = {state: shape for shape, state in re.findall(r"^\| (\S) \| (\w+) \|", SECTIONS["Every page"], re.MULTILINE)}
    assert shown == {str(state): SHAPES[state] for state in (*EventState, "discarded")}
    for state in DestinationState:
        assert f"{SHAPES[state]} {state.replace('_', ' ')}" in SECTIONS["Every page"]


def test_it_has_every_link_of_the_header_as_a_screen() -> None:
    frame = (ROOT / "router/console/templates/frame.html").read_text()
    screens = re.findall(r'\("/\w*", "(\w+)"\)', frame)
    assert len(screens) == 6
    assert set(screens) <= SECTIONS.keys()


@pytest.mark.parametrize(
    ("heading", "n"),
    [
        ("Limits", lookups.COUNTED),
        ("Limits", lookups.OF_GROUP),
        ("Limits", lookups.PAGE),
        ("Limits", live_tail.MOST_ROWS),
        ("Limits", search_bounds.LOOK_BACK),
        ("Limits", search_bounds.LOOK_BACK_WITH_STATES),
        ("Limits", finding.LOOK_AT),
        ("Limits", source.NEWEST),
        ("Limits", limits.STREAMS),
        ("Limits", int(patience.SLOW_S)),
        ("Live", live_rate.MOST_PER_S),
        ("Who can see it", sessions.IDLE_MS // 3_600_000),
    ],
)
def test_a_bound_is_the_one_in_the_code(heading: str, n: int) -> None:
    assert re.search(rf"\b{n:,}\b", SECTIONS[heading])


def test_its_keys_are_those_of_the_script() -> None:
    listed = set(re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (.*?) \|", SECTIONS["Keys"], re.MULTILINE))))
    script = (ROOT / "router/console/static/console.js").read_text()
    assert listed == set(re.findall(r"(?:key|previous) === '(\S)'", script))
