"""Fixtures that every storey of the tests may use; and the guard that keeps the suite off the user's own things.

Nothing of the user is read or written: not config.toml and not the store of this checkout, no plugin that is installed beside ours,
no variable of the router or a vendor, nothing below HOME. `tests/isolated` guards the processes, this file their environment.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent.parent
ISOLATED = Path(__file__).parent / "isolated"

THEIRS = ("SEGMENT_ROUTER_", "BRAZE_", "CLIENTSUCCESS_", "FRESHSUCCESS_", "XDG_", "LISTEN_", "JOURNAL_", "OTEL_")
"""What the names of variables begin with that a user of the router, or systemd, may have set."""
WAITING = ("tests/cluster/", "tests/flow/")
"""Tests that wait: for a lease that runs out, a daemon that is started or killed."""
LONG = 16
"""Bytes of a parameter from which on they do not name the test."""
THEIRS_WHOLE = ("STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET")


def pytest_configure(config: pytest.Config) -> None:
    """Before a test module is imported: let Hypothesis measure no time, as the machine may be busy; take the user's variables away, and give a home and a folder with nothing in it."""
    gc.disable()  # see pytest_collection_finish
    examples = int(os.environ.get("PROPERTY_EXAMPLES", "50"))
    settings.register_profile(
        "any pace", max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("any pace")
    for name in [name for name in os.environ if name.startswith(THEIRS) or name in THEIRS_WHOLE]:
        del os.environ[name]
    home = tempfile.TemporaryDirectory(prefix="segment-router-tests-")
    config.add_cleanup(home.cleanup)
    os.environ["HOME"] = home.name
    # No certificate of this machine either. Reading them all takes each process that imports aiohttp 0.06 s of processor time.
    os.environ["SSL_CERT_FILE"] = os.environ["SSL_CERT_DIR"] = os.devnull
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ISOLATED), str(ROOT)])
    sys.path.insert(0, str(ISOLATED))
    sys.modules.pop("sitecustomize", None)  # the one of the system
    __import__("sitecustomize")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Collect no garbage while a failure is told: a task that nobody awaited writes a traceback then. Python before 3.11.8 cannot parse
    source while it parses source (https://github.com/python/cpython/issues/106905), and the whole run would end there."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Long bytes are named by their size: the head of a gzip file has the time in it, and every process has to give a test the same name."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and len(val) > LONG else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that wait much begin first, so that none of them is left for one process at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(WAITING))


def pytest_collection_finish() -> None:
    """From now on the current folder is an empty one, for fixtures of modules, too. What is there by now stays: thousands of tests, and
    all that they import. The collector of garbage need not look at it again and again."""
    os.chdir(os.environ["HOME"])
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    os.chdir(session.config.invocation_params.dir)
    if (prepared := sys.modules.get("tests.flow.prepared")) is not None:  # it ends before coverage is put together
        prepared.end()


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path, such as the default of --config, leads to nothing of this checkout, in started processes neither."""
    monkeypatch.chdir(os.environ["HOME"])


@pytest.fixture(autouse=True)
def _with_its_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a verb of the command line writes into the environment of its process does not reach the next test."""
    for name in ("SEGMENT_ROUTER_COMMAND", "SEGMENT_ROUTER_OPTIONS"):
        monkeypatch.setenv(name, "")  # so that pytest takes away what is there at the end
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _with_its_own_umask() -> Generator[None]:
    """A daemon that a test runs in this process sets its own."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture
def prepared_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes in which the router looks at plugins are forks of one that has imported the router: 0.1 s of processor time each, not 1 s."""
    from router.plugin_host import apart
    from tests.flow import prepared

    monkeypatch.setattr(apart, "_begin", prepared.begin)


@pytest.fixture
def root() -> Path:
    """The folder of the repository."""
    return ROOT


@pytest.fixture
def shipped() -> Path:
    """config.toml as it is shipped; the one in the root of the checkout is the user's."""
    return ROOT / "router/config/shipped.toml"


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a config.toml of this text into a folder of its own and gives its path."""

    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture(autouse=True)
def _with_a_schema_that_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever config.toml is loaded in this process with success, its JSON Schema takes it."""
    if (loader := sys.modules.get("router.config.loader")) is None:
        return
    make = loader.Config

    def checked(**values: Any) -> Any:
        from tests.schema_guard import assert_taken  # imports much, and few tests load a file

        assert_taken(values["text"])
        return make(**values)

    monkeypatch.setattr(loader, "Config", checked)
