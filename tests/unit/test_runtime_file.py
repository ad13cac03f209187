"""The file in which a daemon says where it is asked: private, gone after the stop, and not believed when its process is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from router.runtime_file import announced, find, place

INGEST, ADMIN = "http://127.0.0.1:8080", "http://127.0.0.1:8081"


def test_a_daemon_is_found_by_its_store_while_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    store = tmp_path / "router.db"
    with announced(store, INGEST, ADMIN):
        running = find(store)
        assert running is not None
        assert (running.admin, running.ingest, running.credentials) == (ADMIN, INGEST, "/run/credentials/x")
        assert (running.pid, running.uid) == (os.getpid(), os.geteuid())
        assert place(store).stat().st_mode & 0o777 == 0o600
    assert find(store) is None
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_daemon_left_is_not_believed(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    store = tmp_path / "router.db"
    about = {"pid": int(ended.stdout), "admin": ADMIN, "ingest": INGEST, "credentials": ""}
    place(store).write_text(json.dumps(about))
    assert find(store) is None
    with announced(store, INGEST, ADMIN):
        assert find(store) is not None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": "x"}', "\0"])
def test_a_broken_file_is_no_daemon(tmp_path: Path, text: str) -> None:
    store = tmp_path / "router.db"
    place(store).write_text(text)
    assert find(store) is None


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    with announced(tmp_path / "nowhere" / "router.db", INGEST, ADMIN):
        assert find(tmp_path / "nowhere" / "router.db") is None
