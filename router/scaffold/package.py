"""Write a new plugin package from the templates."""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import NamedTuple

from router import plugin, testing
from router.errors import RouterError
from router.plugin_host import available

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME = 40
"""Characters: with longer names, lines of the templates get too long for a formatter."""
TAKEN = frozenset({"Any", "Path", "Sequence", *dir(builtins), *plugin.__all__, *testing.__all__})
"""Names that the files of the package use, or their author may: a class of one of them would hide what it means."""
FILES: Mapping[str, str] = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".gitignore": "gitignore",
    ".github/workflows/test.yml": "test.yml",
    "src/$package/__init__.py": "init.py",
    "src/$package/destination.py": "destination.py",
    "src/$package/py.typed": "",
    "tests/test_destination.py": "test_destination.py",
    "tests/fixtures/identify.json": "identify.json",
    "tests/fixtures/track.json": "track.json",
}
"""File of the package -> its template; "" for an empty file."""


class NewPackage(NamedTuple):
    """What its files call things."""

    name: str  #: of the plugin: acme-crm
    distribution: str  #: segment-router-acme-crm
    package: str  #: segment_router_acme_crm
    class_name: str  #: AcmeCrm; ToBench where Bench is taken
    title: str  #: Acme Crm

    @classmethod
    def of(cls, name: str) -> NewPackage:
        """Raises ValueError, with what a name is, or what has it already."""
        if not NAME.fullmatch(name) or len(name) > MAX_NAME:
            raise ValueError(
                f"{name!r} is no name for a plugin: want small letters, digits and single hyphens, like acme-crm;"
                f" a letter first, no hyphen last, at most {MAX_NAME} characters"
            )
        if (origin := available().get(name)) is not None:
            raise ValueError(
                f"{name!r} is a plugin of {origin} already, and two of one name cannot be used; write another"
            )
        words = [word.capitalize() for word in name.split("-")]
        distribution = f"segment-router-{name}"
        return cls(name, distribution, distribution.replace("-", "_"), _class_name("".join(words)), " ".join(words))


def _class_name(name: str) -> str:
    """Pytest would take a class whose name begins with Test for a test."""
    return f"To{name}" if name in TAKEN or name.startswith("Test") else name


def write_package(package: NewPackage, folder: Path) -> list[Path]:
    """Write its files into a new folder, or into one that is empty. Returns them, relative to the folder.

    Raises:
        RouterError: there is something in the folder already, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RouterError(f"{folder} is not empty; name another folder with --out")
        return [_write(package, folder, place, template) for place, template in FILES.items()]
    except OSError as error:
        raise RouterError(f"{error.filename or folder} cannot be written: {error.strerror}") from None


def _write(package: NewPackage, folder: Path, place: str, template: str) -> Path:
    names = package._asdict()
    file = Path(Template(place).substitute(names))
    text = _template(template).substitute(names) if template else ""
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text, encoding="utf-8")
    return file


def _template(name: str) -> Template:
    return Template(resources.files("router.scaffold").joinpath("template", f"{name}.in").read_text(encoding="utf-8"))
