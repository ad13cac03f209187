"""config.toml itself: read with what tells it apart from another version, and written whole or not at all.

A write is a new file in the same folder, flushed to the disk, that takes the old one's place in one step: whoever reads meets the old
file or the new one, also after a crash. A link is followed, so the file it names is written and the link stays.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

SECRET_MODE = 0o600
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
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Conflict(f"{path.name} is being written by somebody else; look at it again in a moment") from None
    finally:
        os.close(folder)


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
        before = path.stat()
        with _prepared(path, text.encode(), before.st_mode & 0o7777, (before.st_uid, before.st_gid)) as new:
            if read_text(path).hash != read_hash:  # as late as possible
                raise Conflict(f"{path.name} was changed since you read it; nothing was written")
            _put_in_place(new, path)
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
        _write_secret(path, secret.encode() + b"\n")
    except OSError as error:
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
    owner = (found.st_uid, found.st_gid) if found else None
    with _prepared(path, data, SECRET_MODE, owner) as new:
        _put_in_place(new, path)


@contextmanager
def _prepared(path: Path, data: bytes, mode: int, owner: tuple[int, int] | None) -> Iterator[Path]:
    """A file beside `path` with this in it, on stable storage. Removed again unless it was put in place."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)  # of a process that was killed
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, SECRET_MODE)
    try:
        with os.fdopen(file, "wb") as stream:
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        yield new
    finally:
        new.unlink(missing_ok=True)


def _put_in_place(new: Path, path: Path) -> None:
    os.replace(new, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _words(error: OSError | UnicodeDecodeError, path: Path) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"{path} is not UTF-8 text"
    return f"{error.filename or path} cannot be written: {error.strerror}"
