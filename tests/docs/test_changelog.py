"""CHANGELOG.md has the form of Keep a Changelog, and UPGRADING.md a part for each step between its versions."""

from __future__ import annotations

import itertools
import re

from router import __version__
from tests.docs.pages import ROOT, prose

HEADINGS = re.findall(r"^## (.*)$", prose(ROOT / "CHANGELOG.md"), re.MULTILINE)
VERSIONS = [
    found for heading in HEADINGS if (found := re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", heading))
]


def test_what_is_not_released_is_on_top_and_every_other_heading_is_a_version_with_its_day() -> None:
    assert HEADINGS[0] == "[Unreleased]"
    assert len(VERSIONS) == len(HEADINGS) - 1


def test_the_newest_version_is_first_and_this_one_is_told_apart_from_it_once_anything_has_changed() -> None:
    newest = VERSIONS[0][1]
    has_changes = "- " in prose(ROOT / "CHANGELOG.md").partition("## [Unreleased]")[2].partition("\n## ")[0]
    next_one, _, is_unfinished = __version__.partition(".dev")
    assert bool(is_unfinished) == has_changes
    assert _numbers(next_one) > _numbers(newest) if has_changes else next_one == newest
    numbers = [_numbers(version[1]) for version in VERSIONS]
    assert numbers == sorted(numbers, reverse=True)
    assert [version[2] for version in VERSIONS] == sorted((version[2] for version in VERSIONS), reverse=True)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_changes_are_grouped_by_kind() -> None:
    kinds = re.findall(r"^### (.*)$", prose(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_there_is_a_part_on_upgrading_from_each_version_to_the_next() -> None:
    parts = re.findall(r"^## (\d\S* to \d\S*)$", prose(ROOT / "UPGRADING.md"), re.MULTILINE)
    steps = [f"{old[1]} to {new[1]}" for new, old in itertools.pairwise(VERSIONS)]
    assert parts == steps
