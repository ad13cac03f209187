"""The bytes of the input, line by line: a file or standard input, plain or gzip."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from router.cli.endpoint import Failed

STDIN = "-"
GZIP = b"\x1f\x8b"
BUFFER_BYTES = 256 * 1024

LONGEST_LINE = 1024 * 1024
"""Bytes. A call has 32 KiB at most, so a longer line means that this is another kind of file."""


class InputFile:
    """Iterates over the lines as they are, line breaks included. To be left by `with`."""

    def __init__(self, name: str) -> None:
        """Open it. Raises Failed."""
        self.name = name
        self.path = None if name == STDIN else Path(name)
        self.size = None  #: bytes of the file; None for standard input
        self.number = 0  #: of the line that was read last
        try:
            self._file = (
                self.path.open("rb", buffering=0) if self.path else io.FileIO(sys.stdin.fileno(), closefd=False)
            )
            self.size = self.path.stat().st_size if self.path else None
            self._buffered = io.BufferedReader(self._file, BUFFER_BYTES)
            packed = self._buffered.peek(2)[:2] == GZIP
        except OSError as error:
            raise Failed(f"{name} cannot be read: {error.strerror or error}") from None
        self._lines = (
            io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=self._buffered)), BUFFER_BYTES)
            if packed
            else self._buffered
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        """The lines. Raises Failed for one that is too long, and for broken gzip data."""
        while line := self._read():
            self.number += 1
            if len(line) > LONGEST_LINE:
                raise Failed(f"line {self.number} is longer than 1 MiB; write one call per line")
            yield line

    def _read(self) -> bytes:
        try:
            return self._lines.readline(LONGEST_LINE + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
            raise Failed(f"{self.name} cannot be read after line {self.number}: {error}") from None

    def read_bytes(self) -> int:
        """How much of the file was read, in bytes of the file as it is (packed)."""
        return self._file.tell() if self.path else 0
