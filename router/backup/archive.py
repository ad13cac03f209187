"""The file of a backup: a tar archive, compressed with zstd, which `tar --zstd -xf` unpacks too.

It has the store, the regulations beside it, and at its end `backup.json` with what the backup is and the hash of the store. A file
without that end was cut.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import msgspec

from router.backup.progress import Progress
from router.errors import BackupError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STORE, REGULATIONS, ABOUT = "store.db", "store.db.regulations", "backup.json"
FORMAT = 1
MAGIC = b"\x28\xb5\x2f\xfd"
"""The first bytes of every zstd file."""
LEVEL = 3
CHUNK = 1 << 20
MOST = {REGULATIONS: 1 << 30, ABOUT: 16 << 20}
"""Bytes of the parts that are read at once: far beyond what a store of millions of people or a thousand destinations has."""
Sink = Callable[[bytes], object]


class About(msgspec.Struct, frozen=True):
    """What a backup is."""

    format: int
    version: str  #: of the segment-router that made it
    store: str  #: the name of the store's file
    made_at: str  #: what was accepted after that is not in it
    schema: int
    events: int  #: accepted, in all
    ledger: dict[str, dict[str, int]]  #: counts by destination
    bytes: int  #: of the store
    sha256: str = ""  #: of the store


class Hashed:
    """Reads a file, and hashes what it has read."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._file, self._progress = file, progress
        self._hash, self.done = hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        chunk = self._file.read(size)
        self._hash.update(chunk)
        self.done += len(chunk)
        self._progress.at(self.done)
        return chunk

    @property
    def sha256(self) -> str:
        """Of what was read so far."""
        return self._hash.hexdigest()


def write(path: Path, store: Path, regulations: bytes, about: About, progress: Progress) -> About:
    """Write the file, durably, for its owner only. Returns `about` with the hash of the store."""
    progress.begin("compressing", about.bytes)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
        options: dict[int, int] = {
            zstd.CompressionParameter.compression_level: LEVEL,
            zstd.CompressionParameter.checksum_flag: 1,
        }
        with (
            zstd.ZstdFile(raw, "w", options=options) as packed,
            tarfile.open(fileobj=packed, mode="w|") as tar,
            store.open("rb") as file,
        ):
            hashed = Hashed(file, progress)
            _add(tar, STORE, about.bytes, cast(IO[bytes], hashed))
            about = msgspec.structs.replace(about, sha256=hashed.sha256)
            for name, content in ((REGULATIONS, regulations), (ABOUT, msgspec.json.encode(about))):
                _add(tar, name, len(content), io.BytesIO(content))
        raw.flush()
        os.fsync(raw.fileno())
    return about


def _add(tar: tarfile.TarFile, name: str, size: int, file: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, file)


def verify(path: Path, about: About, progress: Progress) -> None:
    """Read the file again, to its end. Raises BackupError where it is not what was written."""
    progress.begin("verifying", about.bytes)
    with _reading(path) as tar:
        store = _store_of(path, tar)
        found, _ = _take(path, tar, store, progress, lambda chunk: None)
    if found != about:
        raise BackupError(f"{path} was not written as it should be: is the disk at fault?")


def unpack(path: Path, to: Path, has_room: Callable[[int], object], progress: Progress) -> tuple[About, bytes]:
    """Write the store of a backup to a new file, durably. Returns what the backup is, and its regulations.

    Args:
        has_room: called with the size of the store before anything is written; raises where there is no room.

    Raises:
        BackupError: the file is no backup, or is not whole.
    """
    with _reading(path) as tar:
        store = _store_of(path, tar)
        has_room(store.size)
        progress.begin("unpacking", store.size)
        with open(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            found = _take(path, tar, store, progress, file.write)
            file.flush()
            os.fsync(file.fileno())
    return found


@contextmanager
def _reading(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with zstd.ZstdFile(path) as packed:
            with tarfile.open(fileobj=packed, mode="r|") as tar:
                yield tar
            while packed.read(CHUNK):  # the checksum of zstd stands at the end
                pass
    except (zstd.ZstdError, tarfile.TarError, EOFError) as error:
        raise BackupError(f"{path} is not a whole backup: {error}") from None


def _store_of(path: Path, tar: tarfile.TarFile) -> tarfile.TarInfo:
    member = tar.next()
    if member is None or member.name != STORE or not member.isfile():
        raise BackupError(f"{path} is not a backup of segment-router")
    return member


def _take(
    path: Path, tar: tarfile.TarFile, store: tarfile.TarInfo, progress: Progress, sink: Sink
) -> tuple[About, bytes]:
    """Read what an archive has. `store`: its first member, which goes to `sink`."""
    file = tar.extractfile(store)
    assert file is not None, "it is a file"
    hashed = Hashed(file, progress)
    while chunk := hashed.read(CHUNK):
        sink(chunk)
    rest = {}
    while (member := tar.next()) is not None:
        if member.name not in MOST:
            continue
        if member.size > MOST[member.name]:
            raise BackupError(
                f"{path} is not a backup of segment-router: {member.name} in it has {member.size:,} bytes"
            )
        inner = tar.extractfile(member)
        rest[member.name] = inner.read() if inner is not None else b""
    about = _about_of(path, rest.get(ABOUT, b""))
    if (about.bytes, about.sha256) != (hashed.done, hashed.sha256):
        raise BackupError(f"{path} is damaged: the store in it is not the one that was backed up")
    return about, rest.get(REGULATIONS, b"")


def _about_of(path: Path, content: bytes) -> About:
    try:
        about = msgspec.json.decode(content, type=About)
    except msgspec.DecodeError:
        raise BackupError(f"{path} is not a whole backup: {ABOUT} is missing at its end") from None
    if about.format > FORMAT:
        raise BackupError(f"{path} was made by a newer segment-router ({about.version}): restore it with that version")
    return about
