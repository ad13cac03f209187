"""The suite reads and writes nothing of the user whose checkout it runs in."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from router.plugin_host.discovery import GROUP
from tests.conftest import ISOLATED, ROOT
from tests.flow.harness import environment

CONFIG, STORE = ROOT / "config.toml", ROOT / "var/router.db"
SET = {
    "SEGMENT_ROUTER_CONFIG": str(CONFIG),
    "SEGMENT_ROUTER_ADMIN_TOKEN": "theirs",
    "BRAZE_API_KEY": "theirs",
    "CLIENTSUCCESS_API_KEY": "theirs",
    "STATE_DIRECTORY": str(ROOT / "var"),
    "XDG_STATE_HOME": str(ROOT / "var"),
}


@pytest.mark.parametrize(
    "touch",
    [
        CONFIG.read_text,
        lambda: CONFIG.open("ab"),
        lambda: os.listdir(STORE.parent),
        lambda: sqlite3.connect(STORE),
        lambda: sqlite3.connect(f"file:{STORE}?mode=ro", uri=True),
        lambda: STORE.with_name("other.db").touch(),
        lambda: os.rename(CONFIG, "elsewhere"),
        CONFIG.unlink,
    ],
    ids=["read", "append", "list", "connect", "connect by URI", "create", "rename", "remove"],
)
def test_touching_the_users_config_or_store_fails(touch: Callable[[], object]) -> None:
    with pytest.raises(AssertionError, match="the user's own"):
        touch()


def test_files_of_the_same_names_elsewhere_are_no_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they are removed with their folder, by names that are relative to it."""
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone/config.toml").write_text("")
    monkeypatch.chdir(ROOT)
    shutil.rmtree(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


@pytest.mark.long
def test_a_started_process_cannot_touch_them_either() -> None:
    command = [sys.executable, "-m", "router", "check", "--config", str(CONFIG)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"a test touches the user's own {CONFIG}" in done.stderr


@pytest.mark.parametrize("port", [8080, 8081])
def test_a_daemon_that_listens_where_one_does_by_default_is_not_found(port: int) -> None:
    with socket.socket() as listener:
        with contextlib.suppress(OSError):  # the user's own one listens
            listener.bind(("127.0.0.1", port))
            listener.listen()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_relative_path_leads_nowhere() -> None:
    assert os.listdir() == os.listdir(Path.home())
    assert not Path("config.toml").exists()


def test_a_plugin_that_the_user_has_installed_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "announcer-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: announcer\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{GROUP}]\nannouncer = announcer:Announcer\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert sorted(entry_points(group=GROUP).names) == [
        "braze",
        "clientsuccess",
        "file",
        "freshsuccess",
        "http",
        "postgres",
        "segment",
        "webhook",
    ]
    prefix = f"import sys; sys.prefix = {str(tmp_path)!r}; "
    look = f"{prefix}from importlib.metadata import entry_points; print(*sorted(entry_points(group={GROUP!r}).names))"
    environ = {**environment(), "PYTHONPATH": os.pathsep.join([str(ISOLATED), str(ROOT), str(tmp_path)])}
    said = subprocess.run([sys.executable, "-c", look], env=environ, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["braze", "clientsuccess", "file", "freshsuccess", "http", "postgres", "segment", "webhook"]


def test_no_variable_of_the_user_is_left() -> None:
    assert {name: os.environ[name] for name in SET if os.environ.get(name) == SET[name]} == {}


@pytest.mark.long
def test_variables_that_are_set_before_the_suite_starts_are_taken_away() -> None:
    """The test above, in a run of its own that begins with the variables of a user."""
    which = f"{__file__}::{test_no_variable_of_the_user_is_left.__name__}"
    environ = {**environment(), **SET}
    spared = [
        word for name in ("cacheprovider", "hypothesispytest", "randomly", "xdist") for word in ("-p", f"no:{name}")
    ]
    command = [sys.executable, "-m", "pytest", *spared, which]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="this is no checkout of git: nothing to compare"
)
def test_the_config_toml_that_is_committed_is_the_shipped_one() -> None:
    files = ["config.toml", "router/config/shipped.toml"]
    command = ["git", "-C", str(ROOT), "ls-files", "--stage", *files]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    blobs = {line.split()[1] for line in listed if line}
    assert len(blobs) == 1, "a change of config.toml is a change of router/config/shipped.toml too: copy it there"
