"""docs/plugin-conformance.md: its examples are tests that pass, and it explains what can be given."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from router.testing import conformance
from router.testing.checks import CHECKS
from tests.docs.pages import ROOT, blocks, rows, sections
from tests.flow.harness import unmeasured

PAGE = ROOT / "docs/plugin-conformance.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.long
def test_the_examples_are_tests_that_pass(tmp_path: Path) -> None:
    for block in blocks(PAGE, "python"):
        (tmp_path / block.text.split()[1]).write_text(block.text)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    done = subprocess.run(command, cwd=tmp_path, env=unmeasured(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|skipped)", done.stdout)}
    assert sum(counts.values()) == 2 * len(CHECKS)
    assert counts["passed"] > len(CHECKS)


def test_every_argument_is_in_its_table() -> None:
    named = {name for name in inspect.signature(conformance).parameters if name not in ("plugin", "table")}
    assert set(rows(sections(PAGE)["What you can give"])) == named


def test_the_changelog_and_the_pages_have_the_number_of_checks() -> None:
    assert f"tests of {len(CHECKS)} conformance checks" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
