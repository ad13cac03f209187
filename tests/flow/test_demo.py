"""The demo shows the whole promise to a newcomer, and notices when it is not kept."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from router import demo


def test_the_demo_tells_the_story_proves_it_and_leaves_nothing(tmp_path: Path) -> None:
    theirs = {"STATE_DIRECTORY": "/nowhere", "SEGMENT_ROUTER_CONFIG": "/none", "SEGMENT_ROUTER_COMMAND": "./run"}
    environ = {**os.environ, "TMPDIR": str(tmp_path), **theirs}
    command = [sys.executable, "-m", "router", "demo"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "kill -9" in done.stdout
    assert "$ ./run held clientsuccess" in done.stdout
    assert "$ segment-router" not in done.stdout
    assert "7. ClientSuccess got 'Report Shared' of ada at Acme Inc" in done.stdout
    assert "clientsuccess: 7 + 2 + 0 + 0 + 0 + 0 + 0 = 9" in done.stdout
    assert "✗" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_demo_fails_when_something_it_shows_did_not_happen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(demo, "ADA", list(reversed(demo.ADA)))
    assert demo.run() == 1
    said = capsys.readouterr().out
    assert "✗ Ada's in order, what was held before the later one" in said
    [folder] = tmp_path.iterdir()
    assert f"The folder is kept: {folder}" in said
    assert {"daemon.log", "router.db", "config.toml"} <= {path.name for path in folder.iterdir()}
