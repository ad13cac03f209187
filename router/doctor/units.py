"""Installed systemd units against the shipped ones: a unit that was copied once does not change with the program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject

OWN = {
    "Description", "Documentation", "ExecStart", "ExecStartPost", "ExecStopPost", "OnCalendar", "RandomizedDelaySec", "User", "Group",
    "LoadCredential", "LoadCredentialEncrypted", "SetCredential", "Environment", "EnvironmentFile", "MemoryMax", "MemoryHigh",
    "LimitNOFILE", "CPUQuota", "Nice", "ListenStream", "Slice",
}  # fmt: skip
"""Keys that an operator sets as the machine asks for."""
SHOWN = 6

Line = tuple[str, str, str]


def units(subject: Subject) -> Iterator[Finding]:
    """What each installed unit lacks of the shipped one of the same name."""
    if not subject.shipped_units.is_dir():
        yield Finding("units", Level.UNKNOWN, "this installation comes without unit files, so none were compared")
        return
    installed = [(shipped, there) for shipped in sorted(subject.shipped_units.iterdir()) if (there := _installed(shipped.name, subject.unit_folders))]  # fmt: skip
    if not installed:
        yield Finding("units", Level.OK, "no systemd unit of segment-router is installed")
    for shipped, there in installed:
        yield _compared(shipped, there)


def _installed(name: str, folders: tuple[Path, ...]) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _compared(shipped: Path, there: Path) -> Finding:
    wanted = _lines(shipped.read_text())
    have = _lines(there.read_text())
    for more in sorted(there.with_name(f"{there.name}.d").glob("*.conf")):
        have |= _lines(more.read_text())
    lacks = sorted({key for _, key, _ in wanted - have} - OWN)
    if not lacks:
        return Finding("units", Level.OK, f"{there} has all that the shipped unit has")
    named = ", ".join(lacks[:SHOWN]) + (f" and {len(lacks) - SHOWN} more" if len(lacks) > SHOWN else "")
    remedy = f"`diff {there} {shipped}`, then copy it again and run `systemctl daemon-reload`; keep changes of yours in {there}.d"
    return Finding("units", Level.WARNING, f"{there} differs from the shipped unit: {named}", remedy)


def _lines(text: str) -> set[Line]:
    """The settings of a unit: section, key and value."""
    section, found = "", set[Line]()
    for line in text.replace("\\\n", " ").splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif line and line[0] not in "#;":
            key, _, value = line.partition("=")
            found.add((section, key.strip(), " ".join(value.split())))
    return found
