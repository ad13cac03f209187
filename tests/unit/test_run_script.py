"""`./run` before its first start, and called by a link."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from router.cli import app


@pytest.fixture
def checkout(root: Path, tmp_path: Path) -> Path:
    """The files that `./run` reads, without a .venv."""
    folder = tmp_path / "checkout"
    (folder / "requirements").mkdir(parents=True)
    for name in ("run", "requirements/setup.sh"):
        shutil.copy(root / name, folder / name)
    return folder


def called(script: Path, *words: str) -> str:
    return subprocess.run(["/bin/sh", str(script), *words], capture_output=True, text=True, check=True).stdout


def test_help_lists_every_verb_before_the_first_start(checkout: Path) -> None:
    group: Any = typer.main.get_command(app)
    listed = called(checkout / "run", "--help").partition("\nVerbs ")[2].partition("\n")[2]
    assert set(listed.split()) == set(group.commands)


@pytest.mark.parametrize("target", ["{folder}/run", "checkout/run"], ids=["absolute", "relative"])
def test_a_link_to_it_works(checkout: Path, tmp_path: Path, target: str) -> None:
    program = checkout / ".venv/bin/segment-router"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "started with $*"\n')
    program.chmod(0o755)
    (tmp_path / "link").symlink_to(target.format(folder=checkout))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/second").symlink_to("../link")
    assert "started with --help\n" in called(tmp_path / "bin/second", "--help")


def test_verbs_are_completed_where_it_is_typed_as_run_and_nothing_is_set_up(checkout: Path) -> None:
    """By bash, with the script that it prints."""
    program = checkout / ".venv/bin/segment-router"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m router "$@"\n')
    program.chmod(0o755)
    printed = subprocess.run(
        [sys.executable, "-m", "router", "completion", "bash"],
        env={**os.environ, "SEGMENT_ROUTER_COMMAND": "./run"},
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    ask = 'complete -p ./run; COMP_WORDS=(./run dis); COMP_CWORD=1; _segment_router_completion ./run; echo "${COMPREPLY[@]}"'
    bash = ["bash", "-c", f"{printed}\n{ask}"]
    said = subprocess.run(bash, cwd="/", capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "discards"
    assert "-F _segment_router_completion ./run" in said.stdout
    assert said.stderr == ""
