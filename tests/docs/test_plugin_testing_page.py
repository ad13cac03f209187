"""docs/plugin-testing.md: its files are one package whose tests pass, and it explains every name of the kit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import router.testing
from router.testing import Bench, replies
from router.testing.fixtures import KEYS
from tests.docs.pages import ROOT, Block, blocks
from tests.flow.harness import unmeasured

PAGE = ROOT / "docs/plugin-testing.md"
TEXT = PAGE.read_text(encoding="utf-8")


def name_of(block: Block) -> str:
    """The file that a block is; a fixture's is not in the block, as JSON has no comments."""
    named = re.match(r"# (\w+\.\w+)\n", block.text)
    return named[1] if named else "fixtures/hello.json"


def lay_out(folder: Path) -> None:
    """The package that the page shows."""
    (folder / "fixtures").mkdir()
    for block in blocks(PAGE, "python", "toml", "json"):
        (folder / name_of(block)).write_text(block.text)


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *options]
    return subprocess.run(command, cwd=folder, env=unmeasured(), capture_output=True, text=True, check=False)


def test_the_files_of_the_page_are_a_package_whose_tests_pass(tmp_path: Path) -> None:
    lay_out(tmp_path)
    tests = TEXT.count("\ndef test_") + TEXT.count("\nasync def test_")
    assert tests >= 10
    done = run(tmp_path, "-o", "console_output_style=count")
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.findall(r"(\d+) passed", done.stdout)[-1]) > tests


def test_the_fixture_that_is_shown_is_what_an_update_writes(tmp_path: Path) -> None:
    lay_out(tmp_path)
    path = tmp_path / "fixtures/hello.json"
    shown = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in shown.items() if key != "expected"}))
    done = run(tmp_path, "--segment-router-update", "test_fixtures.py")
    assert done.returncode == 0, done.stdout
    assert json.loads(path.read_text()) == shown


@pytest.mark.parametrize("name", router.testing.__all__)
def test_every_public_name_is_explained(name: str) -> None:
    assert re.search(rf"`{name}\b", TEXT)


@pytest.mark.parametrize("name", [name for name in vars(Bench) if not name.startswith("_")] + ["vendor", "clock"])
def test_every_member_of_the_bench_is_in_its_table(name: str) -> None:
    assert re.search(rf"^\| .*`{name}\b", TEXT, re.MULTILINE)


def test_every_reply_and_every_key_of_a_fixture_is_in_its_table() -> None:
    rows = set(re.findall(r"^\| `(\w+)", TEXT, re.MULTILINE))
    assert rows >= {*KEYS, *replies.__all__} - {"Received", "Answers"}
