"""`router` and `plugins` are common names: another package of that name is told, by name and path, before anything else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.flow.harness import environment


def start(*before: Path) -> subprocess.CompletedProcess[str]:
    """Start the command where these folders are looked through before ours."""
    environ = environment()
    environ["PYTHONPATH"] = os.pathsep.join([*map(str, before), environ["PYTHONPATH"]])
    command = [sys.executable, "-c", "import segment_router, sys; sys.exit(segment_router.main())", "--version"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def installed(folder: Path, package: str, distribution: str) -> Path:
    """Another distribution with a package of this name."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text("")
    metadata = folder / f"{distribution}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (metadata / "top_level.txt").write_text(package)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("name", ["router", "plugins"])
def test_another_package_of_that_name_is_named_with_its_path(name: str, tmp_path: Path) -> None:
    done = start(installed(tmp_path, name, "their-app"))
    assert done.returncode == 78
    (said,) = done.stderr.splitlines()
    assert f'its package "{name}" is in {ROOT}' in said
    assert str(tmp_path / name / "__init__.py") in said
    assert "it belongs to their-app" in said


@pytest.mark.long
def test_a_package_that_wrote_over_ours_is_told(tmp_path: Path) -> None:
    for ours in ("segment_router.py", "router/cli/__init__.py"):
        copy = tmp_path / ours
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / ours).read_bytes())
    (tmp_path / "plugins").mkdir()
    (tmp_path / "router/__init__.py").write_text("# theirs\n")
    done = start(tmp_path)
    assert done.returncode == 78
    assert str(tmp_path / "router/__init__.py") in done.stderr


@pytest.mark.long
def test_packages_that_add_to_plugins_as_they_may_are_no_clash(tmp_path: Path) -> None:
    (tmp_path / "plugins/theirs").mkdir(parents=True)
    (tmp_path / "plugins/theirs/__init__.py").write_text("")
    done = start(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("segment-router ")
