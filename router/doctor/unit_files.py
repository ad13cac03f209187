"""systemd units as they are installed: the file that counts, with its drop-ins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Setting(NamedTuple):
    """A line of a unit."""

    section: str  #: `[Service]`
    key: str
    value: str


def installed(name: str, folders: Sequence[Path]) -> Path | None:
    """The file of a unit. `folders`: where systemd looks, the first that has it counts."""
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def settings_of(name: str, folders: Sequence[Path]) -> list[Setting]:
    """The settings of a unit that is installed, then those of its drop-ins, which may be in any of the folders. Source: systemd.unit(5)"""
    unit = installed(name, folders)
    drop_ins = {file.name: file for folder in reversed(folders) for file in (folder / f"{name}.d").glob("*.conf")}
    files = [*([unit] if unit else []), *(drop_ins[key] for key in sorted(drop_ins))]
    return [setting for file in files for setting in parse(file.read_text())]


def parse(text: str) -> list[Setting]:
    """The settings in a text, in order."""
    section, found = "", list[Setting]()
    for line in text.replace("\\\n", " ").splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif line and line[0] not in "#;":
            key, _, value = line.partition("=")
            found.append(Setting(section, key.strip(), " ".join(value.split())))
    return found
