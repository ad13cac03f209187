"""`./run` and `./test`: what their options do once `.venv` is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

STAMP = 'cd "$1" && printf \'%s \' "$1" && cat requirements/run.txt requirements/test.txt pyproject.toml | cksum'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose `.venv` fits, with programs that only write down how they were called."""
    for name in ("run", "test", "requirements", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    for name in ("python", "segment-router"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"{tmp_path}/called"\n')
        (programs / name).chmod(0o755)
    command = ["sh", "-c", STAMP, "sh", str(tmp_path)]
    stamp = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / ".venv/stamp").write_text(f"{stamp} test\n")
    return tmp_path


def called(checkout: Path, *words: str) -> list[str]:
    """Run a script and return the programs it called, with their words."""
    (checkout / "tests/node").mkdir(parents=True, exist_ok=True)
    (checkout / "tests/node/package-lock.json").touch()
    (checkout / "tests/node/node_modules").mkdir(exist_ok=True)
    (checkout / "tests/node/node_modules/.stamp").touch()
    script = [str(checkout / words[0]), *words[1:]]
    given = {name: value for name, value in os.environ.items() if name != "MEASURE_COVERAGE"}  # CI's own
    done = subprocess.run(script, cwd="/", capture_output=True, text=True, check=False, env=given)
    assert done.returncode == 0, done.stderr
    log = checkout / "called"
    return log.read_text().splitlines() if log.exists() else []


def parted(calls: list[str]) -> tuple[list[str], str]:
    """The tools that were called for checks, in order, and the call of pytest, beside which some of them run."""
    (tests,) = [call for call in calls if call.split()[2] == "pytest"]
    return [call.split()[2] for call in calls if call is not tests], tests


def test_run_with_setup_only_starts_nothing(checkout: Path) -> None:
    assert called(checkout, "run", "--setup-only") == []


def test_the_examples_of_help_are_lines_for_this_checkout(checkout: Path) -> None:
    program = checkout / ".venv/bin/segment-router"
    program.write_text(f'#!/bin/sh\necho "$SEGMENT_ROUTER_COMMAND" >>"{checkout}/called"\n')
    assert called(checkout, "run", "--help") == [f"{checkout}/run"]


def test_run_starts_the_daemon_with_the_config_beside_it(checkout: Path) -> None:
    assert called(checkout, "run") == [f"segment-router serve --config {checkout}/config.toml"]


def test_test_with_fast_runs_the_checks_and_the_quick_tests_of_parts(checkout: Path) -> None:
    checks, tests = parted(called(checkout, "test", "--fast"))
    assert checks == ["ruff", "ruff", "mypy", "codespell_lib"]
    assert tests.endswith("-m not slow and not long tests/unit tests/contract")
    (checkout / "called").unlink()
    assert parted(called(checkout, "test", "--fast", "-k", "x"))[1].endswith("-k x")


def test_test_runs_the_checks_and_everything(checkout: Path) -> None:
    checks, tests = parted(called(checkout, "test"))
    assert checks == ["ruff", "ruff", "mypy", "codespell_lib", "zensical"]
    assert tests.split()[1:3] == ["-m", "pytest"]
    assert "tests/" not in tests


@pytest.mark.parametrize("tool", ["ruff", "mypy", "codespell_lib", "zensical", "pytest"])
def test_test_fails_when_one_of_them_fails_and_shows_what_it_said(checkout: Path, tool: str) -> None:
    program = checkout / ".venv/bin/python"
    program.write_text(f'#!/bin/sh\n[ "$2" != {tool} ] || {{ echo "$2 found something"; exit 1; }}\n')
    environ = {key: value for key, value in os.environ.items() if key != "MEASURE_COVERAGE"}  # set where CI runs this
    done = subprocess.run([checkout / "test"], cwd="/", env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{tool} found something\n" in done.stdout


def test_test_with_words_passes_them_to_pytest_alone(checkout: Path) -> None:
    assert called(checkout, "test", "tests/unit", "-k", "x") == ["python -m pytest tests/unit -k x"]


def test_the_hooks_before_a_commit_run_what_the_test_tools_bring_and_download_nothing() -> None:
    words = (ROOT / ".pre-commit-config.yaml").read_text()
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["test"]
    assert re.findall(r"repo: (\S+)", words) == ["local"]
    assert "language: python" not in words
    programs = re.findall(r"entry: \.venv/bin/([\w-]+)", words)
    assert len(programs) == words.count("entry:") == 4
    assert {program for program in programs if not any(tool.startswith(program) for tool in tools)} == set()
