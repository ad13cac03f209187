"""Python and SQLite."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterator

from router import __version__
from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject

Version = tuple[int, ...]
OLDEST: Version = (3, 37, 0)
"""Of SQLite: what the store is tested with begins later; before it statements of the store are unknown."""


def python(subject: Subject) -> Iterator[Finding]:
    """Which program runs, on what."""
    words = f"segment-router {__version__} runs on {platform.python_implementation()} {platform.python_version()}"
    yield Finding("python", Level.OK, words)


def sqlite(subject: Subject) -> Iterator[Finding]:
    """The version of SQLite that Python was built with, or that the machine has."""
    yield about_sqlite(sqlite3.sqlite_version_info)


def about_sqlite(version: Version) -> Finding:
    """What is to be said of a version of SQLite."""
    name = f"SQLite {'.'.join(map(str, version))}"
    if version < OLDEST:
        remedy = f"use a Python with SQLite {'.'.join(map(str, OLDEST))} or newer"
        return Finding("sqlite", Level.ERROR, f"{name} is too old for the store", remedy)
    if not has_wal_reset_bug(version):
        return Finding("sqlite", Level.OK, f"{name} has the correction of the WAL-reset bug")
    words = (
        f"{name} has the WAL-reset bug, which does not matter here: it needs a second connection that commits during a checkpoint, and"
        " one connection does both here, with a lock against a second daemon. Let no other program write to the store or"
        " checkpoint it while the daemon runs"
    )
    return Finding("sqlite", Level.OK, words)


def has_wal_reset_bug(version: Version) -> bool:
    """Whether a checkpoint can skip a part of a WAL that a commit of another connection has just begun again, so that committed
    changes are lost. From 3.7.0 to 3.51.2, but for two corrected branches. Source: https://sqlite.org/wal.html#walresetbug"""
    corrected = (3, 44, 6) <= version < (3, 45) or (3, 50, 7) <= version < (3, 51)
    return version < (3, 51, 3) and not corrected
