"""The unit of the service: whether it has the credentials that config.toml names, and whether its user can run the program."""

from __future__ import annotations

import pwd
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from router.config.exposure import ENTER, READ, barred_by
from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject
from router.doctor.unit_files import Setting, settings_of
from router.durable import others_can_read

CREDENTIALS = ("LoadCredential", "LoadCredentialEncrypted", "SetCredential", "SetCredentialEncrypted")
NOBODY = 65534
"""Stands for the user that systemd makes for a service: it owns nothing of the program."""


def credentials(subject: Subject) -> Iterator[Finding]:
    """Whether each has a line in the unit, and whether the files behind these lines are for root only."""
    name, settings = _unit_of(subject)
    if not name:
        return
    given = [setting.value.partition(":") for setting in settings if setting.key in CREDENTIALS and setting.value]
    level = Level.WARNING if subject.running else Level.ERROR
    wanted = subject.draft.out_of_sight if subject.draft else {}
    lacking = {key: one for key, one in wanted.items() if one not in {id for id, _, _ in given}}
    for key, one in lacking.items():
        remedy = f"`systemctl edit {name}`: LoadCredential={one}:PATH below [Service]"
        yield Finding("credentials", level, f"{key}: {name} has no LoadCredential of the name {one}", remedy)
    sources = [Path(place) for _, _, place in given if place.startswith("/")]
    missing = [path for path in sources if not path.exists()]
    for path in missing:
        words = f"{name} loads {path}, and there is no such file, so it does not start"
        yield Finding("credentials", level, words, "write the secret into it, or take the line out of the unit")
    open_to_all = [path for path in sources if path.is_file() and others_can_read(path)]
    for path in open_to_all:  # systemd reads it as root
        words = f"every user of this machine can read {path}, which {name} loads as a credential"
        yield Finding("credentials", Level.WARNING, words, f"chown root {path} && chmod 600 {path}")
    if not lacking and not missing and not open_to_all:
        yield Finding("credentials", Level.OK, f"{name} has the {len(given)} credentials that it needs, for root only")


def program(subject: Subject) -> Iterator[Finding]:
    """Whether the user of the service can run what the unit starts: the program, and the Python that it asks for."""
    name, settings = _unit_of(subject)
    user = subject.service or _user_of(settings)
    if not name or user is None:
        return
    for path, right in _needed(_started(settings)):
        if (barred := barred_by(path, right, *user)) is not None:
            words = f"user {user[0]}, who runs the daemon, cannot run {path}: see the mode of {barred}"
            remedy = f"make the .venv with a Python that every user can run, or `chmod o+rX {barred}`"
            yield Finding("program", Level.ERROR, words, remedy)
            return
    yield Finding("program", Level.OK, f"user {user[0]}, who runs the daemon, can run {_started(settings)}")


def _unit_of(subject: Subject) -> tuple[str, list[Setting]]:
    """The unit that starts a daemon with this config.toml, and its settings; nothing where none is installed."""
    for name in dict.fromkeys((f"{subject.path.parent.name}.service", "segment-router.service")):
        settings = settings_of(name, subject.unit_folders)
        if any(one.key == "ExecStart" and str(subject.path) in one.value.split() for one in settings):
            return name, settings
    return "", []


def _started(settings: Sequence[Setting]) -> Path:
    """The program of the last ExecStart. Some signs before it have a meaning to systemd."""
    line = [one.value for one in settings if one.key == "ExecStart" and one.value][-1]
    return Path(line.split()[0].lstrip("-@:+!|"))


def _user_of(settings: Sequence[Setting]) -> tuple[int, int] | None:
    """The user and group of a service that was not started yet; None: root, or one that is not known here."""
    last = {one.key: one.value for one in settings}
    if last.get("DynamicUser", "").lower() in ("yes", "true", "1", "on"):
        return NOBODY, NOBODY
    try:
        found = pwd.getpwnam(last.get("User", "root"))
    except KeyError:
        return None
    return (found.pw_uid, found.pw_gid) if found.pw_uid else None


def _needed(program: Path) -> Iterator[tuple[Path, int]]:
    """The files that have to be read and run: the program, the one that its first line names, and where links lead from there."""
    yield from ((path, READ | ENTER) for path in (program, program.resolve()))
    try:
        with program.open("rb") as file:
            first = file.readline(4096).decode("utf-8", "replace")
    except OSError:
        return
    if found := re.match(r"#!\s*(/\S+)", first):
        yield from ((path, READ | ENTER) for path in (Path(found[1]), Path(found[1]).resolve()))
