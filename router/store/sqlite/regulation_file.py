"""The regulations beside the store, one JSON line each: keyed hashes of whom, and when. A copy of the store that is older than a line
still has the person; whoever brings it back can find them by these hashes, since the copy has their key."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from router.clock import to_iso
from router.store.regulation import Regulation


class Line(msgspec.Struct):
    """What is told of a regulation."""

    id: str
    kind: str
    at: str
    hashes: list[str]


def path_of(store: Path) -> Path:
    """The file that belongs to a store."""
    return Path(f"{store}.regulations")


def note(store: Path, regulations: Iterable[Regulation]) -> None:
    """Add those that the file does not have yet. Durable on return. Raises OSError."""
    path = path_of(store)
    known = _ids(path)
    lines = [
        msgspec.json.encode(Line(one.id, one.kind, to_iso(one.created_at), one.hashes)) + b"\n"
        for one in regulations
        if one.id not in known
    ]
    if not lines:
        return
    with path.open("ab") as file:
        if file.tell() and not path.read_bytes().endswith(b"\n"):
            file.write(b"\n")  # a line that a crash cut
        file.write(b"".join(lines))
        file.flush()
        os.fsync(file.fileno())


def _ids(path: Path) -> set[str]:
    found = set()
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            found.add(msgspec.json.decode(line, type=Line).id)
        except msgspec.DecodeError:
            continue  # cut by a crash: that regulation is noted again
    return found
