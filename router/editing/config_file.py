"""config.toml itself: read with what tells it apart from another version, and written whole or not at all (`router/durable.py`).

A link is followed, so the file it names is written and the link stays.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from router import durable

FOLDER_MODE = 0o700


class FileText(NamedTuple):
    """A file as it was read."""

    text: str
    hash: str


class NotWritable(Exception):
    """A file cannot be written; says which and why. Nothing was changed."""


class Conflict(Exception):
    """The file changed since it was read, or somebody else writes it now. Nothing was changed."""


def read_text(path: Path) -> FileText:
    """The file. Raises OSError, UnicodeDecodeError."""
    data = path.read_bytes()
    return FileText(data.decode(), hashlib.sha256(data).hexdigest())


def why_not_writable(path: Path) -> str:
    """Why this process cannot replace a file; empty if it can, as far as that is known beforehand."""
    path = path.resolve()
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"the folder {path.parent} cannot be written by the user of the router"
    if not os.access(path, os.W_OK):
        return f"{path} cannot be written by the user of the router"
    return ""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Nobody else who asks like this writes beside this file meanwhile, in any process. Raises Conflict, NotWritable."""
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise NotWritable(f"{path.parent}: {error.strerror}") from error
    try:
        _lock(folder, path)
        yield
    finally:
        os.close(folder)


def _lock(folder: int, path: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict(f"{path.name} is being written by somebody else; look at it again in a moment") from None
    except OSError as error:  # ENOLCK, EOPNOTSUPP: some network disks have no locks
        raise NotWritable(f"{path.parent} cannot be locked: {error.strerror}") from error


def replace(path: Path, text: str, read_hash: str) -> str:
    """Write this in place of what was read; returns the new hash. To be called within `alone`.

    Args:
        read_hash: of the text that the change was made from.

    Raises:
        Conflict: the file is another one by now.
        NotWritable: it cannot be written, or its owner cannot be kept.
    """
    path = path.resolve()
    try:
        found = path.stat()
        mode, owner = found.st_mode & 0o7777, (found.st_uid, found.st_gid)
        with durable.prepared(path, text.encode(), mode, owner) as new:
            before = read_text(path)
            if before.hash != read_hash:  # as late as possible
                raise Conflict(f"{path.name} was changed since you read it; nothing was written")
            try:
                durable.take_place(new, path)
            except OSError:
                if not new.exists():  # it is in place, and perhaps not on the disk
                    with suppress(OSError):
                        durable.put(path, before.text.encode(), mode=mode, owner=owner)
                raise
    except (OSError, UnicodeDecodeError) as error:
        raise NotWritable(_words(error, path)) from error
    return hashlib.sha256(text.encode()).hexdigest()


def write_secret(path: Path, secret: str) -> bytes | None:
    """Write a secret's file, which only its owner can read; returns what it held before. Its folder is made where there is none.

    Raises:
        NotWritable: it, or its folder, cannot be written; nothing was changed.
    """
    path = path.resolve()
    try:
        before = path.read_bytes() if path.exists() else None
        path.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
    except OSError as error:
        raise NotWritable(_words(error, path)) from error
    try:
        _write_secret(path, secret.encode() + b"\n")
    except OSError as error:
        with suppress(OSError):
            put_back(path, before)
        raise NotWritable(_words(error, path)) from error
    return before


def put_back(path: Path, before: bytes | None) -> None:
    """Give a secret's file what it held before; None: there was none. Raises OSError."""
    if before is None:
        path.unlink(missing_ok=True)
    else:
        _write_secret(path.resolve(), before)


def _write_secret(path: Path, data: bytes) -> None:
    found = path.stat() if path.exists() else None
    durable.put(path, data, owner=(found.st_uid, found.st_gid) if found else None)


def _words(error: OSError | UnicodeDecodeError, path: Path) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"{path} is not UTF-8 text"
    return f"{error.filename or path} cannot be written: {error.strerror}"
