"""Which SQLite has the WAL-reset bug, and why it does not matter here."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from router.doctor.configuration import configuration
from router.doctor.finding import Level
from router.doctor.program import about_sqlite, has_wal_reset_bug, python, sqlite
from tests.unit.doctor.subjects import levels, subject_in


@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        ((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False), ((3, 45, 0), True), ((3, 50, 6), True), ((3, 50, 7), False),
        ((3, 51, 2), True), ((3, 51, 3), False), ((3, 53, 1), False),
    ],
)  # fmt: skip
def test_the_wal_reset_bug_is_known_by_version(version: tuple[int, ...], has_it: bool) -> None:
    assert has_wal_reset_bug(version) == has_it
    found = about_sqlite(version)
    assert found.level is Level.OK
    assert ("which does not matter here: it needs a second connection" in found.sentence) == has_it


def test_a_sqlite_that_is_too_old_keeps_the_daemon_from_working() -> None:
    assert about_sqlite((3, 27, 0)).level is Level.ERROR


def test_this_machine_can_run_it(tmp_path: Path) -> None:
    subject = subject_in(tmp_path)
    assert levels([*python(subject), *sqlite(subject)]) == [("python", "ok"), ("sqlite", "ok")]
    assert sqlite3.sqlite_version in next(sqlite(subject)).sentence


def test_every_problem_of_the_configuration_is_a_finding_but_only_three_are_named(tmp_path: Path) -> None:
    assert levels(configuration(subject_in(tmp_path))) == [("configuration", "ok")]
    wrong = '[[destination]]\nname = "d"\nplugin = "webhook"\n[destination.settings]\nurl = { env = "NOT_THERE" }\n'
    found = list(configuration(subject_in(tmp_path, wrong)))
    assert levels(found) == [("configuration", "error")]
    assert "NOT_THERE is not set" in found[0].sentence
    found = list(configuration(subject_in(tmp_path, "[log]\na = 1\nb = 1\nc = 1\nd = 1\ne = 1\n")))
    assert (len(found), found[-1].sentence.endswith("2 more problems")) == (4, True)
