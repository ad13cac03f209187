"""The pinned packages can be installed with every Python that the project promises."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from router.extras import PACKAGES

OLDEST = "3.11.0"


def names(file: Path) -> list[str]:
    return re.findall(r"^([A-Za-z0-9._-]+)==", file.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("file", ["run.txt", "test.txt"])
def test_no_pinned_package_needs_a_newer_python_than_the_project(root: Path, file: str) -> None:
    """Debian 12 has 3.11.2."""
    found = names(root / "requirements" / file)
    assert len(found) > 20
    for name in found:
        needs = distribution(name).metadata["Requires-Python"] or ""
        assert SpecifierSet(needs).contains(OLDEST), f"{name} needs Python {needs}"


def test_the_image_has_the_asyncpg_that_is_tested(root: Path) -> None:
    pinned = (root / "requirements/postgres.txt").read_text(encoding="utf-8")
    assert pinned.startswith("asyncpg==")
    assert pinned in (root / "requirements/test.txt").read_text(encoding="utf-8")


def test_the_oldest_python_is_the_one_that_pyproject_names(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(OLDEST)


def test_the_commands_that_install_extras_name_what_pyproject_names(root: Path) -> None:
    extras = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {extra: list(packages) for extra, packages in PACKAGES.items()} == {
        extra: extras[extra] for extra in PACKAGES
    }


def test_nobody_is_told_to_install_the_bare_name_which_is_on_no_index(root: Path) -> None:
    files = [
        *root.glob("*.md"),
        *(root / "docs").rglob("*.md"),
        *(root / "router").rglob("*.py"),
        *(root / "plugins").rglob("*.py"),
    ]
    bare = re.compile(r"segment-router\[\w+\](?! @ )")
    assert len(files) > 500
    assert [str(file) for file in files if bare.search(file.read_text(encoding="utf-8"))] == []
