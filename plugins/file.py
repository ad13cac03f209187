"""File: every event as one line of JSON at the end of a file, in Segment's spelling.

A batch is one write. With `fsync` on, delivered means on stable storage. A file that was moved away (by a log rotation) is
noticed at the next batch and begun anew.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from router.plugin import (
    Batch,
    Context,
    Delivered,
    Event,
    Field,
    Item,
    Outcome,
    RetryLater,
    Sender,
    Settings,
    hookimpl,
)


class FileSettings(Settings):
    """Settings of a file destination."""

    path: Path = Field(description="The file to append to; it and its directory are made when missing.")
    fsync: bool = Field(
        default=True,
        description="Flush each batch to the disk before it counts as delivered. Off: a power loss can cost what was"
        " delivered in the last seconds; a crash of the router cannot.",
    )


class File:
    """Appends events of all six types to a file. Only one batch is written at a time."""

    display_names = ("File",)
    settings_model = FileSettings
    kinds: Mapping[str, Batch] = {"": Batch(max_items=500, concurrency=1)}

    def __init__(self, settings: FileSettings) -> None:
        self.settings = settings
        self._appender = _Appender(Path(settings.path), settings.fsync)

    @hookimpl
    def identify(self, event: Event, context: Context) -> Item:
        """The call as one line."""
        return Item(line(event))

    @hookimpl
    def group(self, event: Event, context: Context) -> Item:
        """The call as one line."""
        return Item(line(event))

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """The call as one line."""
        return Item(line(event))

    @hookimpl
    def page(self, event: Event, context: Context) -> Item:
        """The call as one line."""
        return Item(line(event))

    @hookimpl
    def screen(self, event: Event, context: Context) -> Item:
        """The call as one line."""
        return Item(line(event))

    @hookimpl
    def alias(self, event: Event, context: Context) -> Item:
        """The call as one line."""
        return Item(line(event))

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
        """Append the lines in one write; what the disk refuses is tried again."""
        lines = b"".join(json.dumps(item.body, separators=(",", ":")).encode() + b"\n" for item in items)
        try:
            await asyncio.to_thread(self._appender.append, lines)
        except OSError as error:
            raise RetryLater("file", f"{error.strerror or error}: {self.settings.path}") from error
        return Delivered()

    @hookimpl
    @asynccontextmanager
    async def lifetime(self) -> AsyncIterator[None]:
        """Close the file at the end; the first batch opens it, so that a dry run makes none."""
        try:
            yield
        finally:
            await asyncio.to_thread(self._appender.close)


def line(event: Event) -> dict[str, object]:
    """The whole call, with its type, message id and the router's three instants."""
    return {
        **event.payload,
        "type": event.type,
        "messageId": event.message_id,
        "timestamp": instant(event.timestamp),
        "originalTimestamp": instant(event.original_timestamp),
        "receivedAt": instant(event.received_at),
    }


def instant(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Appender:
    """Whole batches at the end of one file. The lock keeps a write that outlives its cancelled task apart from `close`."""

    def __init__(self, path: Path, fsync: bool) -> None:
        self._path = path
        self._fsync = fsync
        self._lock = threading.Lock()
        self._file: int | None = None

    def append(self, lines: bytes) -> None:
        """Write all of it or, when the disk refuses, none of it."""
        with self._lock:
            file = self._current()
            size = os.fstat(file).st_size
            try:
                written = 0
                while written < len(lines):
                    written += os.write(file, lines[written:])
                if self._fsync:
                    os.fsync(file)
            except OSError:
                os.ftruncate(file, size)
                self._drop()
                raise

    def close(self) -> None:
        """Let go of the file; a later `append` opens it again."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def _current(self) -> int:
        """The file that stands at the path now."""
        if self._file is not None:
            opened = os.fstat(self._file)
            try:
                found = os.stat(self._path)
            except FileNotFoundError:
                found = None
            if found is not None and (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino):
                return self._file
            self._drop()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._end_torn_line(self._file)
        if self._fsync:
            _fsync_directory(self._path.parent)
        return self._file

    @staticmethod
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
