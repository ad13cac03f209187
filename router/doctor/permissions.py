"""Whether the service can write where the store and its backups are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from router.backup import last_backup
from router.config.exposure import ENTER, READ, WRITE, may
from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject
from router.durable import mode_that_opens


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
    remedy = mode_that_opens(disk) if _is_of(disk, uid) else f"chown {uid} {disk}, or run the daemon as its owner"
    yield Finding("store_folder", Level.ERROR, f"{who}, who runs the daemon, cannot write to {disk}", remedy)


def store_files(subject: Subject) -> Iterator[Finding]:
    """Whether the service can write the files of the store, and make backups where the last one is. Root may have copied or made them."""
    if subject.store is None or (ids := subject.service) is None:
        return
    for path in (Path(f"{subject.store}{ending}") for ending in ("", "-wal", "-shm", ".lock", ".regulations")):
        if path.exists() and not may(path.stat(), *ids, READ | WRITE):
            is_mode, found = _is_of(path, ids[0]), path.stat()
            which = f"has mode {stat.S_IMODE(found.st_mode):o}" if is_mode else f"belongs to user {found.st_uid}"
            remedy = mode_that_opens(path) if is_mode else f"chown --reference={path.parent} {path}"
            words = f"user {ids[0]}, who runs the daemon, cannot write {path}, which {which}"
            yield Finding("store_folder", Level.ERROR, words, remedy)
    last = last_backup.read(subject.store)
    if (folder := Path(last.file).parent if last else None) and _is_barred_from(folder, *ids):
        words = f"user {ids[0]}, who runs the daemon, cannot write to {folder}, so the timer of the backup fails"
        yield Finding("store_folder", Level.WARNING, words, f"chown -R --reference={folder.parent} {folder}")


def _is_of(path: Path, uid: int) -> bool:
    """Whether a file is this user's, so that its mode is what refuses."""
    return path.stat().st_uid == uid


def _is_barred_from(folder: Path, uid: int, gid: int) -> bool:
    """Whether a folder among those of the service is of somebody else. One elsewhere may be meant for backups that root makes."""
    return folder.is_dir() and folder.parent.stat().st_uid == uid and not may(folder.stat(), uid, gid, WRITE | ENTER)
