"""The pytest plugin in another project: what it imports, and what its option does."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import router.testing
from router.testing.fixtures import UPDATE
from tests.flow.harness import unmeasured

HEAVY = ("aiohttp", "pydantic", "msgspec", "structlog", "sqlite3", "router.plugin", "router.config")


def python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=unmeasured(), capture_output=True, text=True, check=False
    )


def test_it_is_installed_with_the_router_and_imports_nothing_heavy(tmp_path: Path) -> None:
    (entry,) = entry_points(group="pytest11", name="segment_router")
    code = f"import sys, pytest, {entry.value}; print([name for name in {HEAVY} if name in sys.modules])"
    done = python("-c", code, folder=tmp_path)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", router.testing.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(router.testing, name).__doc__ or name.isupper()


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Bensch'"):
        router.testing.Bensch  # noqa: B018


TESTS = """
from pathlib import Path

import pytest

from plugins.webhook import Webhook
from router.testing import CheckFixture, fixture_files


@pytest.mark.parametrize("path", fixture_files(Path(__file__).parent / "fixtures"), ids=lambda path: path.stem)
def test_fixture(path: Path, check_fixture: CheckFixture) -> None:
    check_fixture(Webhook, path, {"url": "https://example.com/hook"})
"""


@pytest.mark.long
def test_a_project_s_fixtures_fail_are_updated_and_pass(tmp_path: Path) -> None:
    (tmp_path / "fixtures").mkdir()
    path = tmp_path / "fixtures/hello.json"
    path.write_text(json.dumps({"calls": [{"type": "track", "userId": "u1", "event": "Hello"}]}))
    (tmp_path / "test_it.py").write_text(TESTS)
    pytest_ = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
    failed = python(*pytest_, folder=tmp_path)
    assert failed.returncode == 1
    assert '+      "url": "https://example.com/hook"\n' in failed.stdout
    assert UPDATE in failed.stdout
    assert "Traceback" not in failed.stdout
    updated = python(*pytest_, UPDATE, folder=tmp_path)
    assert (updated.returncode, f"wrote {path}\n" in updated.stdout) == (0, True)
    assert json.loads(path.read_text())["expected"]["requests"][0]["json"]["event"] == "Hello"
    assert python(*pytest_, folder=tmp_path).returncode == 0
