"""Whole batches at the end of one file, across crashes, full disks and rotations, its own and other programs'."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from plugins.file.rotation import Rotation, move_away, remove_old
from router.plugin import JSON

FIRST_LINE_BYTES = 1_000_000
"""No call is longer than this."""


class Appender:
    """Owns the file at `path`; nobody else may write to it. If the file was moved away, the next batch starts a new one.

    The lock keeps `close` from a write whose task was cancelled and whose thread still runs.
    """

    def __init__(self, path: Path, fsync: bool, rotation: Rotation) -> None:
        self._path = path
        self._fsync = fsync
        self._rotation = rotation
        self._lock = threading.Lock()
        self._file: int | None = None
        self._begun: datetime | None = None  #: when the first event in the file was received; None while unknown

    def append(self, lines: bytes, received: Sequence[datetime]) -> None:
        """Write all of it or, when the disk refuses, none of it; before that, rotate the file if its time has come.

        Args:
            lines: whole lines.
            received: when their events were received.

        Raises:
            OSError: nothing of it was written.
        """
        with self._lock:
            file = self._current()
            size = os.fstat(file).st_size
            if self._rotation.is_due(size, len(lines), self._begun, max(received, default=None)):
                file, size = self._begin_anew(file), 0
            try:
                written = 0
                while written < len(lines):
                    written += os.write(file, lines[written:])
                if self._fsync:
                    os.fsync(file)
            except OSError:
                try:
                    os.ftruncate(file, size)
                finally:
                    self._drop()  # what could not be cut off is half a line, which the next opening ends
                raise
            if self._begun is None and received:
                self._begun = received[0]

    def close(self) -> None:
        """Let go of the file; a later `append` opens it again."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._file is not None:
            file, self._file, self._begun = self._file, None, None
            os.close(file)

    def _current(self) -> int:
        """The file that is at the path now."""
        if self._file is not None:
            opened = os.fstat(self._file)
            try:
                found = os.stat(self._path)
            except FileNotFoundError:
                found = None
            if found is not None and (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino):
                return self._file
            self._drop()
        return self._open()

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            _end_torn_line(file)
            if self._fsync:
                _fsync_directory(self._path.parent)
            self._begun = _first_received(file) if self._rotation.max_age else None
        except OSError:
            os.close(file)
            raise
        self._file = file
        return file

    def _begin_anew(self, file: int) -> int:
        """Rotate. A crash after the move leaves no file at the path, and one after the opening an empty one; the next batch
        goes on from either. One fsync of the directory, before the first line, makes both names durable."""
        move_away(self._path, os.fstat(file).st_mtime)
        self._drop()
        file = self._open()
        remove_old(self._path, self._rotation.keep)
        return file


def check(path: Path) -> None:
    """Look whether lines could be appended to a file, without making it.

    Raises:
        OSError: no; it says why, and its `filename` what stands in the way.
    """
    there = next(place for place in (path, *path.absolute().parents) if os.path.exists(place))
    if os.path.isdir(there) == (there == path):
        raise _fault(errno.EISDIR if there == path else errno.ENOTDIR, there)
    if not os.access(there, os.R_OK | os.W_OK if there == path else os.W_OK | os.X_OK):
        raise _fault(errno.EACCES, there)


def _fault(code: int, path: Path) -> OSError:
    return OSError(code, os.strerror(code), str(path))


def instant_of(call: JSON) -> datetime | None:
    """When the event of a line was received; None where that cannot be read."""
    try:
        at = datetime.fromisoformat(call["receivedAt"])
    except (LookupError, TypeError, ValueError):
        return None
    return at if at.tzinfo else None


def _first_received(file: int) -> datetime | None:
    try:
        return instant_of(json.loads(os.pread(file, FIRST_LINE_BYTES, 0).partition(b"\n")[0]))
    except (ValueError, RecursionError):  # empty, torn by a crash, or not ours
        return None


def _end_torn_line(file: int) -> None:
    """A crash may have left half a line, of an event that will be written again: keep it off the next one."""
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")


def _fsync_directory(directory: Path) -> None:
    """A new file's name is on stable storage only when its directory is."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
