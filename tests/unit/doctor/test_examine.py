"""Checks run at the same time, for a limited time, and none ends in a traceback."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.doctor import CODES, Finding, Level, Subject, checks_of, examine
from router.doctor.examine import Check
from tests.unit.doctor.subjects import levels, subject_in

FINE = Finding("python", Level.OK, "fine")


def fine(subject: Subject) -> Iterator[Finding]:
    yield FINE


def test_a_check_that_fails_is_a_finding_and_the_others_go_on(tmp_path: Path) -> None:
    def broken(subject: Subject) -> Iterator[Finding]:
        raise ValueError("a word that may be a secret")

    found = examine(subject_in(tmp_path), [Check("space", broken), Check("python", fine)])
    assert levels(found) == [("space", "unknown"), ("python", "ok")]
    assert "ValueError in" in found[0].sentence
    assert "secret" not in found[0].sentence


def test_what_the_machine_refuses_is_said_with_the_file(tmp_path: Path) -> None:
    def refused(subject: Subject) -> Iterator[Finding]:
        yield FINE
        (tmp_path / "none").read_text()

    [found] = examine(subject_in(tmp_path), [Check("space", refused)])
    assert found.sentence == f"the check space failed: No such file or directory: {tmp_path / 'none'}"
    assert "root" not in (found.remedy or "")


@pytest.mark.parametrize(
    ("code", "level", "remedy"),
    [
        (errno.EACCES, Level.UNKNOWN, "run it as root"),
        (errno.EIO, Level.ERROR, "replace the disk; its log is in `dmesg`"),
    ],
)
def test_a_refusal_asks_for_root_and_a_fault_of_the_disk_for_another_disk(
    code: int, level: Level, remedy: str, tmp_path: Path
) -> None:
    def fails(subject: Subject) -> Iterator[Finding]:
        yield FINE
        raise OSError(code, os.strerror(code))

    [found] = examine(subject_in(tmp_path), [Check("space", fails)])
    assert (found.level, found.remedy) == (level, remedy)


def test_a_plugin_that_ends_the_program_ends_its_check_only(tmp_path: Path) -> None:
    def leaves(subject: Subject) -> Iterator[Finding]:
        sys.exit(3)

    assert levels(examine(subject_in(tmp_path), [Check("connect", leaves)])) == [("connect", "unknown")]


def test_a_check_that_hangs_is_a_finding_and_holds_nobody_up(tmp_path: Path) -> None:
    never = threading.Event()

    def hangs(subject: Subject) -> Iterator[Finding]:
        never.wait()
        yield FINE

    found = examine(subject_in(tmp_path), [Check("mount", hangs), Check("python", fine)], limit_s=0.01)
    assert levels(found[:1]) == [("mount", "unknown")]
    assert found[0].sentence == "the check mount did not end within 0.01 s"
    never.set()


def test_checks_run_at_the_same_time(tmp_path: Path) -> None:
    together = threading.Barrier(3)

    def meets(subject: Subject) -> Iterator[Finding]:
        together.wait()
        yield FINE

    assert examine(subject_in(tmp_path), [Check("dns", meets)] * 3) == [FINE] * 3


def test_a_machine_without_anything_wrong_is_examined_whole(tmp_path: Path) -> None:
    subject = subject_in(tmp_path)
    found = examine(subject, checks_of(subject))
    assert {one.code for one in found} <= CODES.keys()
    assert [one for one in found if one.level is Level.ERROR] == []
    assert all(one.remedy for one in found if one.level is Level.WARNING)
