"""What a disk may hold after a power cut, from the record of all that reached it (`tests.faulty_vfs`).

power = PowerCut(disk.record)
power.go_to(120)
files = power.files(Random(1))      # name -> content
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tests.faulty_vfs import Done


@dataclass
class _Content:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Done] = field(default_factory=list)


class PowerCut:
    """Walks along a record; at any point it can say what a disk may hold if the power fails there."""

    def __init__(self, record: Sequence[Done]) -> None:
        self._record = record
        self._at = 0
        self._files: dict[int, _Content] = {}
        self._folder: dict[str, int] = {}
        self._changes: list[Done] = []  # of the folder, not synced yet

    def go_to(self, cut: int) -> None:
        """The power fails before the record's entry number `cut`; never goes back."""
        for done in self._record[self._at : cut]:
            if done.verb in ("create", "delete"):
                self._changes.append(done)
                self._files.setdefault(done.file, _Content())
            elif done.verb == "sync_folder":
                _change(self._folder, self._changes)
                self._changes = []
            elif done.verb == "sync":
                content = self._files[done.file]
                for one in content.pending:
                    _apply(content.durable, one)
                content.pending = []
            elif done.verb == "lost":
                self._files[done.file].pending = []  # what was written is read, and taken for clean
            else:
                self._files[done.file].pending.append(done)
        self._at = cut

    def files(self, random: Random) -> dict[str, bytes]:
        """What was synced is there. Of the rest each write is there, missing or torn, and so is each file's new size; of the
        changes of the folder, the first ones are."""
        folder = dict(self._folder)
        _change(folder, self._changes[: random.randint(0, len(self._changes))])
        return {name: self._content(self._files[number], random) for name, number in folder.items()}

    def _content(self, content: _Content, random: Random) -> bytes:
        found = bytearray(content.durable)
        kept = random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        for done in content.pending:
            dice = random.random()
            if done.verb == "write" and dice < 0.3:
                _tear(found, done, random)
            elif random.random() < kept:
                _apply(found, done)
        size = len(found)
        if size > len(content.durable) and random.random() < 0.3:
            del found[random.randint(len(content.durable), size) :]  # the data came first, and its size never did
        return bytes(found)


def _apply(content: bytearray, done: Done) -> None:
    if done.verb == "truncate":
        del content[done.offset :]
        content.extend(bytes(done.offset - len(content)))
        return
    content.extend(bytes(max(0, done.offset - len(content))))
    content[done.offset : done.offset + len(done.data)] = done.data


def _tear(content: bytearray, done: Done, random: Random) -> None:
    """Sector by sector, there or not."""
    sector = random.choice((512, 4096))
    at, end = done.offset, done.offset + len(done.data)
    while at < end:
        upto = min(end, (at // sector + 1) * sector)
        if random.random() < 0.5:
            _apply(content, Done("write", done.file, at, done.data[at - done.offset : upto - done.offset]))
        at = upto


def _change(folder: dict[str, int], changes: Sequence[Done]) -> None:
    for done in changes:
        if done.verb == "create":
            folder[done.name] = done.file
        else:
            folder.pop(done.name, None)
