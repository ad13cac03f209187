"""Who this node is: an id in a file beside what else is its own, held by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

from router.durable import make_file
from router.errors import StartError


@contextmanager
def node_id(path: Path) -> Iterator[UUID]:
    """The id in this file, made where there is none. While the context is open no other process of this machine has it: whoever is given
    it knows that the former process is dead.

    Raises:
        StartError: another process has it, or the file cannot be used.
    """
    try:
        make_file(path)
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise StartError(f"{path}, which has the id of this node, cannot be used ({error.strerror})") from None
    try:
        _lock(file, path)
        yield _read(file, path)
    finally:
        os.close(file)


def _lock(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StartError(f"another daemon runs with {path}: give each a folder of its own (STATE_DIRECTORY)") from None


def _read(file: int, path: Path) -> UUID:
    text = os.pread(file, 64, 0).decode("ascii", "replace").strip()
    if not text:
        made = uuid4()
        os.pwrite(file, f"{made}\n".encode(), 0)
        os.fsync(file)
        return made
    try:
        return UUID(text)
    except ValueError:
        raise StartError(f"{path} holds no id of a node; remove it, and the node is a new one") from None
