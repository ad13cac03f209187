"""The end of the log: one buffer of bytes, written every few milliseconds.

A line that cannot be written is lost: logging never stops the work. A full pipe blocks, so a slow reader loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import TextIO

WRITE_BYTES = 65_536
"""A buffer of this size is written at once. It is also what a pipe of Linux holds."""
WRITE_S = 0.005
"""A line waits this long at most. Written in each turn of the event loop, lines took 5 % of a busy daemon's time."""


class LogStream:
    """Takes whole lines as bytes, from any thread.

    They are written at once where no loop runs, and where the stream has no file descriptor and so needs no system call.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._is_file = stream, _has_descriptor(stream)
        self._buffer = bytearray()
        self._due_in: asyncio.AbstractEventLoop | None = None  #: the loop that will flush
        self._is_flushing = threading.Lock()
        self._is_torn = False  #: the last line written lacks its end

    def write(self, lines: bytes) -> None:
        """Add lines, each with its line feed."""
        self._buffer += lines
        if len(self._buffer) >= WRITE_BYTES:
            self.flush()
        else:
            self._flush_soon()

    def flush(self) -> None:
        """Write what waits."""
        self._due_in = None
        # Called in the middle of itself, by another thread or a finalizer, it leaves the work to the call in progress.
        while self._buffer and self._is_flushing.acquire(blocking=False):
            try:
                lines = bytes(self._buffer)
                del self._buffer[: len(lines)]
                self._put(lines)
            finally:
                self._is_flushing.release()

    def _flush_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if not self._is_file:
            self.flush()
        elif self._due_in is not loop:  # one that ended before its time does not flush
            self._due_in = loop
            loop.call_later(WRITE_S, self.flush)

    def _put(self, lines: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()  # somebody may have printed
        with contextlib.suppress(OSError, ValueError):
            if self._is_file:
                self._put_bytes(lines)
            else:
                self._stream.write(lines.decode("utf-8", "replace"))
                self._stream.flush()

    def _put_bytes(self, lines: bytes) -> None:
        """Past the stream's own buffer, which would keep what a full disk refuses."""
        rest = memoryview(b"\n" + lines if self._is_torn else lines)
        while rest:
            rest = rest[os.write(self._stream.fileno(), rest) :]
            self._is_torn = bool(rest)


def _has_descriptor(stream: TextIO) -> bool:
    try:
        stream.fileno()
    except (OSError, ValueError):
        return False
    return True
