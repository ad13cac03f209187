"""Where files lie until they are whole: a folder beside their final place, on the same disk, which nobody else can read."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from router.durable import give_to_owner


@contextmanager
def work_folder(parent: Path, label: str) -> Iterator[Path]:
    """A new folder in `parent`, gone at the end. Those of the same label that a process left behind when it was killed go first."""
    remove_left_behind(parent, label)
    folder, lock = _new_locked(parent, label)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _new_locked(parent: Path, label: str) -> tuple[Path, int]:
    """A new folder, and the descriptor that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{label}.", dir=parent))
        with suppress(FileNotFoundError):  # another process took it for left behind before it was locked
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            with suppress(OSError):  # some network disks know no locks: what is left there stays
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                give_to_owner(folder, parent)  # who removes it, if this process is killed
                return folder, lock
            os.close(lock)


def remove_left_behind(parent: Path, label: str) -> None:
    """Remove the folders of this label that no process uses."""
    for left in parent.glob(f".{glob.escape(label)}.*"):
        _remove_unused(left)


def _remove_unused(folder: Path) -> None:
    """A process that lives holds a lock on its folder."""
    with suppress(OSError):
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
