"""Installed systemd units against the shipped ones: a unit that was copied once does not change with the program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject
from router.doctor.unit_files import installed, parse, settings_of

OWN = {
    "Description", "Documentation", "ExecStart", "ExecStartPost", "ExecStopPost", "OnCalendar", "RandomizedDelaySec", "User", "Group",
    "LoadCredential", "LoadCredentialEncrypted", "SetCredential", "Environment", "EnvironmentFile", "MemoryMax", "MemoryHigh",
    "LimitNOFILE", "CPUQuota", "Nice", "ListenStream", "Slice",
}  # fmt: skip
"""Keys that an operator sets as the machine asks for."""
SHOWN = 6


def units(subject: Subject) -> Iterator[Finding]:
    """What each installed unit lacks of the shipped one of the same name."""
    if not subject.shipped_units.is_dir():
        yield Finding("units", Level.UNKNOWN, "this installation comes without unit files, so none were compared")
        return
    found = [(shipped, there) for shipped in sorted(subject.shipped_units.iterdir()) if (there := installed(shipped.name, subject.unit_folders))]  # fmt: skip
    if not found:
        yield Finding("units", Level.OK, "no systemd unit of segment-router is installed")
    for shipped, there in found:
        yield _compared(shipped, there, subject.unit_folders)


def _compared(shipped: Path, there: Path, folders: Sequence[Path]) -> Finding:
    wanted = {*parse(shipped.read_text())}
    lacks = sorted({key for _, key, _ in wanted - {*settings_of(there.name, folders)}} - OWN)
    if not lacks:
        return Finding("units", Level.OK, f"{there} has all that the shipped unit has")
    named = ", ".join(lacks[:SHOWN]) + (f" and {len(lacks) - SHOWN} more" if len(lacks) > SHOWN else "")
    remedy = f"`diff {there} {shipped}`, then copy it again and run `systemctl daemon-reload`; keep changes of yours in {there}.d"
    return Finding("units", Level.WARNING, f"{there} differs from the shipped unit: {named}", remedy)
