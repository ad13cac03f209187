"""Whether another process than the daemon holds the store locked, so that nothing can be written."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject

APART_S = 1.0
"""Between two looks: a transaction of a usual program is over by then."""


def store_locks(subject: Subject) -> Iterator[Finding]:
    """Who holds a lock for writing, at both of two looks. Nothing where the kernel does not say it."""
    if subject.store is None or not subject.store.exists():
        return
    if not (first := _others_that_write(subject.store)):
        return
    asyncio.run(subject.clock.sleep(APART_S))
    for pid in sorted(first & _others_that_write(subject.store)):
        words = f"process {pid} ({_name(pid)}) holds a lock on {subject.store}, so nothing can be written and clients get 503"
        yield Finding("locked", Level.ERROR, words, f"see what it is (`ps {pid}`), and end it")


def _others_that_write(store: Path) -> set[int]:
    """The processes that have a lock for writing on a file of the store, but for the one that has the store: the daemon, or a restore."""
    held = [*_locks()]
    owners = {pid for pid, inode in held if inode == _inode(Path(f"{store}.lock"))}
    files = {_inode(Path(f"{store}{ending}")) for ending in ("", "-wal", "-shm")} - {""}
    return {pid for pid, inode in held if inode in files} - owners


def _locks() -> Iterator[tuple[int, str]]:
    """Process and inode of each lock for writing. Source: proc_locks(5)"""
    try:
        lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        return
    for words in lines:
        if len(words) > 5 and words[1] != "->" and words[3] == "WRITE":  # an arrow: it waits
            yield int(words[4]), words[5]


def _inode(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "it has ended"
