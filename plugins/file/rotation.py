"""Rotation of a file: when a new one begins, what the old one is called, and how many old ones stay.

A rotated file is `events.jsonl.20260102T030405.678Z`: the path and the instant at which its last line was written, in UTC,
so that names sort as the files were written. Where that name is taken, a number follows: `...Z-1`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

_SUFFIX = re.compile(r"\.(\d{8}T\d{6}\.\d{3}Z)(?:-(\d+))?", re.ASCII)


@dataclass(frozen=True)
class Rotation:
    """The rules. Zero is: never, never, and all."""

    max_bytes: int = 0
    max_age: timedelta = timedelta(0)
    keep: int = 0

    def is_due(self, size: int, more: int, begun: datetime | None, newest: datetime | None) -> bool:
        """Whether a new file begins before this batch. An empty file never gives way.

        Args:
            size: bytes in the file.
            more: bytes in the batch; it is never spread over two files, so it may alone be larger than `max_bytes`.
            begun: when the first event in the file was received, if that is known.
            newest: when the newest event of the batch was received. A plugin has no clock: this is now.
        """
        if size == 0:
            return False
        if self.max_bytes and size + more > self.max_bytes:
            return True
        return bool(self.max_age) and begun is not None and newest is not None and newest - begun >= self.max_age


def move_away(path: Path, written: float) -> None:
    """Give the file at the path its rotated name, in one step: there is no instant at which its lines stand nowhere or
    in two files.

    Args:
        written: when its last line was written, in seconds since 1970.
    """
    stamp = datetime.fromtimestamp(written, UTC).isoformat(timespec="milliseconds")
    name = f"{path.name}.{stamp.removesuffix('+00:00').replace('-', '').replace(':', '')}Z"
    number, target = 0, path.with_name(name)
    while os.path.lexists(target):  # nobody else makes such names between here and the next line
        number += 1
        target = path.with_name(f"{name}-{number}")
    path.rename(target)


def rotated(path: Path) -> list[Path]:
    """The rotated files of this path, oldest first. Files by other names, such as `.1` or `....gz`, are none of them."""
    found = []
    for name in os.listdir(path.parent):
        suffix = _SUFFIX.fullmatch(name, len(path.name)) if name.startswith(path.name) else None
        if suffix:
            found.append((suffix[1], int(suffix[2] or 0), path.with_name(name)))
    return [file for _, _, file in sorted(found)]


def remove_old(path: Path, keep: int) -> None:
    """Remove all but the newest `keep` rotated files; 0 keeps all."""
    for file in rotated(path)[:-keep] if keep else []:
        file.unlink(missing_ok=True)
