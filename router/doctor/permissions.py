"""Who can read the store and the secrets, and whether the service can."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from router.backup import last_backup
from router.config.exposure import exposed_config, may, unreadable_files
from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject
from router.durable import others_can_read
from router.plugin_host.factory import inline_secrets
from router.store.sqlite.private_files import private_files

READ, WRITE, ENTER = 4, 2, 1
"""Rights, as the mode of a file has them."""


def store_folder(subject: Subject) -> Iterator[Finding]:
    """Whether the service can write where the store is."""
    if (disk := subject.disk) is None or subject.store is None:
        return
    if subject.service is None and subject.is_running is None:
        yield Finding(
            "store_folder", Level.UNKNOWN, f"this user cannot see whose the store in {disk} is", "run it as root"
        )
        return
    uid, gid = subject.service or (os.geteuid(), os.getegid())
    who = f"user {uid}"
    if may(disk.stat(), uid, gid, WRITE | ENTER):
        yield Finding("store_folder", Level.OK, f"{who} can write to {disk}")
        return
    remedy = f"chown {uid} {disk}, or run the daemon as its owner"
    yield Finding("store_folder", Level.ERROR, f"{who}, who runs the daemon, cannot write to {disk}", remedy)


def store_files(subject: Subject) -> Iterator[Finding]:
    """Whether the service can write the files of the store, and make backups where the last one is. Root may have copied or made them."""
    if subject.store is None or (ids := subject.service) is None:
        return
    for path in (Path(f"{subject.store}{ending}") for ending in ("", "-wal", "-shm", ".lock", ".regulations")):
        if path.exists() and not may(path.stat(), *ids, READ | WRITE):
            words = (
                f"user {ids[0]}, who runs the daemon, cannot write {path}, which belongs to user {path.stat().st_uid}"
            )
            yield Finding("store_folder", Level.ERROR, words, f"chown --reference={path.parent} {path}")
    last = last_backup.read(subject.store)
    if (folder := Path(last.file).parent if last else None) and _is_barred_from(folder, *ids):
        words = f"user {ids[0]}, who runs the daemon, cannot write to {folder}, so the timer of the backup fails"
        yield Finding("store_folder", Level.WARNING, words, f"chown -R --reference={folder.parent} {folder}")


def _is_barred_from(folder: Path, uid: int, gid: int) -> bool:
    """Whether a folder among those of the service is of somebody else. One elsewhere may be meant for backups that root makes."""
    return folder.is_dir() and folder.parent.stat().st_uid == uid and not may(folder.stat(), uid, gid, WRITE | ENTER)


def exposed(subject: Subject) -> Iterator[Finding]:
    """Files with events or secrets that every user of the machine can read."""
    told = {
        f"every user of this machine can read {path}": f"chmod 600 {path}"
        for path in _private_files(subject)
        if others_can_read(path)
    }
    drafted = subject.draft.inline if subject.draft else ()
    inline = [*drafted, *filter(None, map(inline_secrets, subject.destinations))]
    for warning in exposed_config(subject.path, inline):
        told[f"{subject.path}: {warning.words}"] = "write the secrets into files, and name these in config.toml"
    for words, remedy in told.items():
        yield Finding("exposed", Level.WARNING, words, remedy)
    if not told:
        yield Finding("exposed", Level.OK, "no other user of this machine can read the store, its copies or a secret")


def _private_files(subject: Subject) -> Iterator[Path]:
    if subject.store is not None:
        yield from private_files(subject.store)
    if subject.draft is not None:
        yield from dict.fromkeys(subject.draft.secret_files.values())


def secrets(subject: Subject) -> Iterator[Finding]:
    """Whether the user of the service can read the files with secrets."""
    files = subject.draft.secret_files if subject.draft else {}
    if not files or (ids := subject.service) is None:
        return
    barred = list(unreadable_files(files, *ids))
    for warning in barred:
        remedy = f"chown {ids[0]} the file, or pass it by LoadCredential"
        yield Finding("secrets", Level.WARNING, f"{warning.key}: {warning.words}", remedy)
    if not barred:
        yield Finding(
            "secrets", Level.OK, f"user {ids[0]}, who runs the daemon, can read {len(files)} files with secrets"
        )
