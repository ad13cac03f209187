"""The wheel: built from this checkout, installed into an environment of its own, it works without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from router import __version__
from router.config import load
from tests.conftest import ROOT
from tests.patience import HANG_S

PACKAGES = ("router", "plugins")


def run(command: Sequence[str | Path], folder: Path, path: str = "") -> str:
    """Run a command that must succeed, without anything of the checkout in its environment. Returns what it said."""
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PYTHONPATH": path}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=HANG_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with what is installed, without a network; from a copy, so that nothing is written into the checkout."""
    folder = tmp_path_factory.mktemp("build")
    script = (
        "import os, sys; from hatchling.builders.wheel import WheelBuilder;"
        f"print(next(WheelBuilder({str(ROOT)!r}).build(directory={str(folder)!r}, versions=['standard'])))"
    )
    return Path(run([sys.executable, "-c", script], folder).split()[-1])


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `bin` of a fresh environment. It shares the installed dependencies, and knows nothing of the checkout."""
    home = tmp_path_factory.mktemp("venv")
    run([sys.executable, "-m", "venv", "--without-pip", home], home)
    python = home / "bin/python"
    options = ["--no-index", "--no-deps", "--no-compile", "--quiet", "--disable-pip-version-check"]
    run([sys.executable, "-m", "pip", "--python", python, "install", *options, wheel], home)
    # a folder that a .pth file adds has its own .pth files left alone, so the checkout is not found through it
    site = Path(run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], home).strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


def test_it_carries_every_file_of_the_packages_and_the_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()}
    wanted = {str(path.relative_to(ROOT)) for path in ours if "__pycache__" not in path.parts}
    assert wanted | {"segment_router.py"} == {name for name in names if ".dist-info/" not in name}
    assert {"router/py.typed", "router/openapi.json", "router/config/shipped.toml", "router/demo/story.py"} <= names
    assert any(name.endswith("/LICENSE") for name in names)


def test_it_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    command = installed / "segment-router"
    assert run([command, "--version"], tmp_path) == f"segment-router {__version__}\n"
    where = "import router, plugins.braze; print(router.__file__, plugins.braze.__file__)"
    assert str(ROOT) not in run([installed / "python", "-c", where], tmp_path)
    run([command, "init"], tmp_path)
    assert "config.toml is good" in run([command, "check"], tmp_path)
    assert load(tmp_path / "config.toml", {}).sources[0].name == "website"


@pytest.mark.slow
def test_its_demo_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    assert "✗" not in run([installed / "segment-router", "demo"], tmp_path)
