"""How far a file is acknowledged, in a small file beside it, so that `--resume` goes on there. It stays when the whole file is sent,
so that `--resume` says so then.

Where the folder cannot be written it is in `~/.local/state/segment-router` (`$XDG_STATE_HOME`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import msgspec

from router import durable
from router.cli.endpoint import Failed
from router.cli.upload.input_file import InputFile
from router.cli.upload.windows import Position, Reader


class Progressed(msgspec.Struct, frozen=True):
    """What the checkpoint says."""

    line: int
    offset: int  #: bytes, of the unpacked file
    digest: str  #: of all that is before
    acknowledged: int  #: calls, all tries together
    bad: int  #: lines that were left out
    finished: bool = False  #: nothing was left when this was written


class Checkpoint:
    """The checkpoint of one file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.path = place(file)

    def exists(self) -> bool:
        """Whether there is something that `--resume` goes on with."""
        return self.path.exists()

    def begin_anew(self) -> bool:
        """A run begins at the first line: forget one that was finished. Returns whether an earlier run stopped before the end."""
        if not self.exists():
            return False
        with contextlib.suppress(Failed, OSError):
            if self.read().finished:
                self.path.unlink(missing_ok=True)
                return False
        return True

    def read(self) -> Progressed:
        """Raises Failed where there is none, or it cannot be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Progressed)
        except FileNotFoundError:
            words = f"there is nothing to go on with: {self.path} does not exist; send the file without --resume"
            raise Failed(words) from None
        except (OSError, msgspec.DecodeError) as error:
            words = "send the file without --resume; calls that are stored already count as duplicates"
            raise Failed(f"{self.path} cannot be read ({error}); {words}") from None

    def write(self, end: Position, acknowledged: int, bad: int, *, finished: bool = False) -> None:
        """Say that everything before `end` is acknowledged. A crash leaves the old one or the new one, and so do two runs at the same
        time: either is true. Raises Failed."""
        try:
            durable.put(self.path, msgspec.json.encode(Progressed(*end, acknowledged, bad, finished)))
        except OSError as error:
            raise Failed(f"{self.path} cannot be written: {error.strerror or error}") from None


def place(file: Path) -> Path:
    """Where the checkpoint of a file is."""
    name = f"{file.name}.checkpoint"
    if os.access(file.parent, os.W_OK):
        return file.with_name(name)
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "segment-router"
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failed(f"{state}, where the checkpoint would be, cannot be made: {error.strerror or error}") from None
    which = hashlib.blake2b(str(file.resolve()).encode(errors="surrogateescape"), digest_size=6).hexdigest()
    return state / f"{which}-{name}"


def go_on(lines: InputFile, reader: Reader, to: Progressed) -> None:
    """Read up to the place where it stopped. Raises Failed if what is before it has changed."""
    changed = Failed(f"{lines.name} has changed before line {to.line + 1:,}, where the last run stopped")
    offset = reader.position().offset
    for line in lines if offset < to.offset else ():
        reader.advance(line)
        offset += len(line)
        if offset >= to.offset:
            break
    if reader.position() != Position(to.line, to.offset, to.digest):
        raise changed
