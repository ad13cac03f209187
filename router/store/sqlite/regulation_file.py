"""The regulations beside the store, one JSON line each: keyed hashes of whom, and when. A copy of the store that is older than a line
still has the person; the start that finds such a copy looks for them by these hashes, since the copy has their key."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from router.clock import to_iso
from router.durable import make_file
from router.store.regulation import Regulation


class Line(msgspec.Struct, frozen=True):
    """What is told of a regulation."""

    id: str
    kind: str  #: Segment's regulationType
    at: str
    hashes: list[str]  #: each person's, the one that was named first
    named: list[str] = []  #: of these, those of the ids that were named
    subject_type: str = ""
    key: str = ""  #: tells which key made the hashes; empty in lines of before it was written

    @property
    def deletes(self) -> bool:
        """Whether people are forgotten."""
        return "DELETE" in self.kind

    @property
    def suppresses(self) -> bool:
        """Whether no call of them is accepted any more."""
        return self.kind.startswith("SUPPRESS")

    @property
    def unsuppresses(self) -> bool:
        """Whether their calls are accepted again."""
        return self.kind == "UNSUPPRESS"

    def owners(self) -> list[tuple[bytes, bytes]]:
        """Each hash, with the hash of the person it belongs to."""
        rows, owner = [], b""
        for one in map(bytes.fromhex, self.hashes):
            owner = one if not owner or one.hex() in self.named else owner
            rows.append((one, owner))
        return rows


def path_of(store: Path) -> Path:
    """The file that belongs to a store."""
    return Path(f"{store}.regulations")


def note(store: Path, regulations: Iterable[Regulation]) -> None:
    """Add those that the file does not have yet. Durable on return. Raises OSError."""
    path = path_of(store)
    known = {line.id for line in read(path)}
    lines = [encode(_line(one)) for one in regulations if one.id not in known]
    if not lines:
        return
    make_file(path)
    with path.open("ab") as file:
        if file.tell() and not path.read_bytes().endswith(b"\n"):
            file.write(b"\n")  # a line that a crash cut
        file.write(b"".join(lines))
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[Line]:
    """The lines of a file, in its order; none where there is no file."""
    return parse(path.read_bytes()) if path.exists() else []


def parse(content: bytes) -> list[Line]:
    """The lines of a file's content, in its order."""
    found = []
    for line in content.splitlines():
        try:
            found.append(msgspec.json.decode(line, type=Line))
        except msgspec.DecodeError:
            continue  # cut by a crash: that regulation is noted again
    return found


def encode(line: Line) -> bytes:
    """The line as the file has it."""
    return msgspec.json.encode(line) + b"\n"


def _line(one: Regulation) -> Line:
    return Line(one.id, one.kind, to_iso(one.created_at), one.hashes, one.named, one.subject_type, one.key)
