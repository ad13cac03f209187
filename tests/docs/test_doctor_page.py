"""docs/doctor.md has every code and every bound that `doctor` has; UPGRADING.md knows the schema of the store."""

from __future__ import annotations

import re

from router.doctor import CODES, disk_sync, program, reach, space
from router.doctor.examine import LIMIT_S
from router.store.sqlite.before_migration import MARGIN_BYTES
from router.store.sqlite.migrations import SCHEMA
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/doctor.md").read_text(encoding="utf-8")
UPGRADING = (ROOT / "UPGRADING.md").read_text(encoding="utf-8")


def row(code: str) -> str:
    """The line of the table about a code."""
    found = re.search(rf"^\| `{code}` \|.*$", PAGE, re.MULTILINE)
    assert found is not None, code
    return found[0]


def test_the_table_has_each_code_once_in_their_order() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(CODES)


def test_the_bounds_are_those_of_the_checks() -> None:
    assert f"less than {reach.SOON_DAYS} days" in row("certificate")
    assert f"not accepted within {reach.WAIT_S:g} s" in row("connect")
    assert f"fewer than {space.FEW_INODES:,}" in row("inodes")
    assert f"The time of {disk_sync.TIMES} syncs" in row("sync")
    assert f"above {disk_sync.SLOW_MS:g} ms" in row("sync")
    assert f"older than {'.'.join(map(str, program.OLDEST[:2]))}" in row("sqlite")
    assert f"at most {LIMIT_S:g} s" in PAGE


def test_upgrading_names_the_schema_and_the_copy_of_this_version() -> None:
    assert re.search(rf"^\| \S+ \| {SCHEMA} \|", UPGRADING, re.MULTILINE)
    assert f"router.db.before-{SCHEMA}" in UPGRADING
    assert f"and {MARGIN_BYTES // 1_000_000} MB more" in UPGRADING
