"""The demo shows how the router works, and fails when something it shows did not happen."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from router import demo
from router.demo import story
from tests.docs.recording import COLUMNS, PICTURE, comparable, shown
from tests.patience import HANG_S

REMEDY = "the README shows another demo: run python -m tests.docs.recording"


def test_the_demo_shows_its_steps_checks_them_and_leaves_nothing(tmp_path: Path) -> None:
    theirs = {"STATE_DIRECTORY": "/nowhere", "SEGMENT_ROUTER_CONFIG": "/none", "SEGMENT_ROUTER_COMMAND": "./run"}
    environ = {**os.environ, "TMPDIR": str(tmp_path), **theirs}
    command = [sys.executable, "-m", "router", "demo"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=HANG_S)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = ["$ ./run demo", *done.stdout.splitlines()]
    assert comparable([escape(line) for line in lines]) == shown(PICTURE.read_text(encoding="utf-8")), REMEDY
    assert max(map(len, lines)) <= COLUMNS
    assert list(tmp_path.iterdir()) == []


def test_the_demo_fails_when_something_it_shows_did_not_happen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    backwards = {user: list(reversed(names)) for user, names in story.IN_ORDER.items()}
    monkeypatch.setattr(story, "IN_ORDER", backwards)
    assert demo.run() == 1
    said = capsys.readouterr().out
    assert "✗ each user's events in order, held ones first" in said
    [folder] = tmp_path.iterdir()
    assert f"The folder is kept: {folder}" in said
    assert {"daemon.log", "router.db", "config.toml"} <= {path.name for path in folder.iterdir()}
