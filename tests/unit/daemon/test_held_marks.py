"""A destination that ended the process is marked beside the store, until it is configured in another way."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from router.daemon.held_marks import HeldMarks
from router.plugin_host import Destination
from tests.contract.rig import Plain, Vendor, destination


@pytest.fixture
def marks(tmp_path: Path) -> HeldMarks:
    return HeldMarks(tmp_path / "router.db")


def made(name: str = "d", **tables: Any) -> Destination:
    return destination(Plain, Vendor(), name, **tables)


def test_a_mark_names_plugin_hook_and_event(marks: HeldMarks, tmp_path: Path) -> None:
    marks.add(made(), "track", "m1")
    found = HeldMarks(tmp_path / "router.db").of(made())
    assert found is not None
    assert (found.plugin, found.hook, found.message_id) == ("test", "track", "m1")
    assert stat.S_IMODE((tmp_path / "router.db.held.json").stat().st_mode) == 0o600


def test_it_is_good_for_the_table_it_was_made_for(marks: HeldMarks) -> None:
    marks.add(made(), "track", "m1")
    assert marks.of(made(delivery={"timeout": "1s"})) is None
    assert marks.of(made("other")) is None


def test_one_that_is_dropped_leaves_the_others(marks: HeldMarks, tmp_path: Path) -> None:
    for name in ("d", "e"):
        marks.add(made(name), "track", "m1")
    marks.drop(["d", "unknown"])
    assert (marks.of(made("d")), marks.of(made("e")) is not None) == (None, True)
    marks.drop(["e"])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_torn_counts_as_none(marks: HeldMarks, tmp_path: Path) -> None:
    (tmp_path / "router.db.held.json").write_bytes(b'{"d": {"plu')
    assert marks.of(made()) is None
    marks.add(made(), "track", "m1")
    assert marks.of(made()) is not None
