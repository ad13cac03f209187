"""A disk that fails when it is told to, and remembers what it was told: a VFS around SQLite's own, in this very process.

    with faulty_disk() as disk:
        disk.fault = nth(3, "sync", "wal", IOERR_FSYNC)      # the third sync of the WAL fails
        ...
    with faulty_disk() as disk:
        disk.record = []                                     # from now on, all that reaches the disk, in order
        ...
        PowerCut(disk.record)                                # of tests.power_cut: what a power cut would leave of it

Locks and shared memory go straight to SQLite's own functions, and so do reads unless they are asked for. It needs an `_sqlite3` whose SQLite can be reached with
ctypes; where that is not so, `faulty_disk` raises Unreachable. Source: https://sqlite.org/vfs.html
"""

from __future__ import annotations

import ctypes
import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

IOERR_WRITE, IOERR_FSYNC, IOERR_SHMSIZE, FULL = 10 | 3 << 8, 10 | 4 << 8, 10 | 19 << 8, 13
"""SQLite's error codes. Source: https://sqlite.org/rescode.html"""
CODES = {"IOERR_WRITE": IOERR_WRITE, "IOERR_FSYNC": IOERR_FSYNC, "IOERR_SHMSIZE": IOERR_SHMSIZE, "FULL": FULL}

VERBS = ("write", "truncate", "sync", "map")
"""What may fail; `map` is the growth of the WAL's index in shared memory. And `read`, if it is asked for: there are many of them."""

MAIN_DB, JOURNAL, WAL, CREATE = 0x100, 0x800, 0x80000, 0x4  # flags of xOpen

Fault = Callable[[str, str], int]
"""(verb, kind of file: db, wal, journal or other) -> 0, or the error code that the call shall return."""


class Unreachable(Exception):
    """The SQLite that Python uses cannot be reached here."""


class Done(NamedTuple):
    """Something that reached the disk. `file`: a number for each file that was ever created."""

    verb: str  #: create, delete, sync_folder, write, truncate, sync; lost: by a sync that failed
    file: int
    offset: int = 0
    data: bytes = b""
    name: str = ""


@dataclass
class Disk:
    """What the wrapped VFS does."""

    fault: Fault | None = None
    record: list[Done] | None = None
    counts: dict[tuple[str, str], int] = field(default_factory=dict)  #: calls so far, by verb and kind of file

    def _refusal(self, verb: str, kind: str) -> int:
        self.counts[verb, kind] = self.counts.get((verb, kind), 0) + 1
        return self.fault(verb, kind) if self.fault is not None else 0

    def _note(self, done: Done) -> None:
        if self.record is not None:
            self.record.append(done)


def nth(n: int, verb: str, kind: str, code: int, *, times: int = 1) -> Fault:
    """The n-th such call from now on fails, and so do those after it until `times` have failed."""
    seen = 0

    def fault(asked: str, of: str) -> int:
        nonlocal seen
        if (asked, of) != (verb, kind):
            return 0
        seen += 1
        return code if n <= seen < n + times else 0

    return fault


def told_by(path: Path) -> Fault:
    """For a process of its own: as long as the file at `path` exists, each line of it (`sync wal IOERR_FSYNC`) fails; one such as
    `sync wal SLOW 0.3` takes so many seconds, or until the file is gone."""

    def fault(verb: str, kind: str) -> int:
        try:
            lines = path.read_text().splitlines()
        except FileNotFoundError:
            return 0
        found = next((line.split()[2:] for line in lines if line.split()[:2] == [verb, kind]), None)
        if found is None:
            return 0
        if found[0] == "SLOW":
            until = time.monotonic() + float(found[1])
            while time.monotonic() < until and path.exists():
                time.sleep(min(0.02, float(found[1])))
            return 0
        return CODES[found[0]]

    return fault


# ---------------------------------------------------------------- the wrapped VFS

_P, _INT, _I64 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_VFS_CALLS = (
    "open delete access full_pathname dl_open dl_error dl_sym dl_close randomness sleep current_time get_last_error"
    " current_time_int64 set_system_call get_system_call next_system_call"
)
_FILE_CALLS = (
    "close read write truncate sync file_size lock unlock check_reserved_lock file_control sector_size"
    " device_characteristics map shm_lock shm_barrier shm_unmap fetch unfetch"
)
_SIGNATURES = {
    "open": ctypes.CFUNCTYPE(_INT, _P, _P, _P, _INT, _P),
    "delete": ctypes.CFUNCTYPE(_INT, _P, ctypes.c_char_p, _INT),
    "close": ctypes.CFUNCTYPE(_INT, _P),
    "read": ctypes.CFUNCTYPE(_INT, _P, _P, _INT, _I64),
    "write": ctypes.CFUNCTYPE(_INT, _P, _P, _INT, _I64),
    "truncate": ctypes.CFUNCTYPE(_INT, _P, _I64),
    "sync": ctypes.CFUNCTYPE(_INT, _P, _INT),
    "map": ctypes.CFUNCTYPE(_INT, _P, _INT, _INT, _INT, _P),
}


class _Vfs(ctypes.Structure):
    _fields_ = [
        ("version", _INT), ("file_size", _INT), ("max_pathname", _INT), ("next", _P), ("name", ctypes.c_char_p),
        ("app_data", _P), *((call, _P) for call in _VFS_CALLS.split()),
    ]  # fmt: skip


class _Methods(ctypes.Structure):
    _fields_ = [("version", _INT), *((call, _P) for call in _FILE_CALLS.split())]


class _File(ctypes.Structure):
    _fields_ = [("methods", ctypes.POINTER(_Methods))]


@dataclass
class _Open:
    """An open file of SQLite's."""

    number: int
    kind: str
    tells_folder: (
        bool  #: its first sync is followed by one of the folder: SQLite's rule for a journal or WAL it may create
    )
    calls: dict[str, Any]


class _Wrapper:
    """Registered once and kept for good: SQLite holds on to its addresses."""

    def __init__(self) -> None:
        self.disk, self.reads = Disk(), False
        self._library = _library()
        self._real = ctypes.cast(self._library.sqlite3_vfs_find(None), ctypes.POINTER(_Vfs)).contents
        self._vfs = _Vfs.from_buffer_copy(self._real)
        self._vfs.name = b"faulty"
        self._real_open = _SIGNATURES["open"](self._real.open)
        self._real_delete = _SIGNATURES["delete"](self._real.delete)
        self._kept = {"open": _SIGNATURES["open"](self._open), "delete": _SIGNATURES["delete"](self._delete)}
        for verb in ("close", "read", *VERBS):
            self._kept[verb] = _SIGNATURES[verb](getattr(self, f"_{verb}"))
        self._vfs.open, self._vfs.delete = (ctypes.cast(self._kept[call], _P) for call in ("open", "delete"))
        self._methods: dict[tuple[int, bool], tuple[_Methods, dict[str, Any]]] = {}  # by the address of SQLite's own
        self._files: dict[int, _Open] = {}
        self._numbers: dict[str, int] = {}
        self._created = 0

    def install(self, default: bool) -> None:
        """Open files through this from now on, or through SQLite's own again."""
        vfs = self._vfs if default else self._real
        assert self._library.sqlite3_vfs_register(ctypes.byref(vfs), 1) == 0

    def forget_names(self) -> None:
        """What was recorded before is another story."""
        self._numbers.clear()

    def _open(self, vfs: int, name: int | None, file: int, flags: int, out: int | None) -> int:
        path = ctypes.string_at(name).decode() if name else ""
        new = not Path(path).exists()
        code: int = self._real_open(ctypes.addressof(self._real), name, file, flags, out)
        if code:
            return code
        if new or path not in self._numbers:
            self._created += 1
            self._numbers[path] = self._created
            self.disk._note(Done("create", self._created, name=Path(path).name))
        kind = "db" if flags & MAIN_DB else "wal" if flags & WAL else "journal" if flags & JOURNAL else "other"
        handle = _File.from_address(file)
        methods, calls = self._patched(ctypes.addressof(handle.methods.contents))
        handle.methods = ctypes.pointer(methods)
        tells_folder = bool(flags & CREATE) and kind in ("wal", "journal")
        self._files[file] = _Open(self._numbers[path], kind, tells_folder, calls)
        return 0

    def _patched(self, address: int) -> tuple[_Methods, dict[str, Any]]:
        """SQLite's table of functions with ours in the places that matter, and what stood there."""
        key = address, self.reads
        if key not in self._methods:
            real = _Methods.from_address(address)
            patched = _Methods.from_buffer_copy(real)
            calls: dict[str, Any] = {}
            for verb in ("close", *(["read"] if self.reads else []), *VERBS):
                if getattr(real, verb):
                    calls[verb] = _SIGNATURES[verb](getattr(real, verb))
                    setattr(patched, verb, ctypes.cast(self._kept[verb], _P))
            self._methods[key] = patched, calls
        return self._methods[key]

    def _delete(self, vfs: int, name: bytes, sync_folder: int) -> int:
        code: int = self._real_delete(ctypes.addressof(self._real), name, sync_folder)
        if not code:
            path = name.decode()
            self.disk._note(Done("delete", self._numbers.pop(path, 0), name=Path(path).name))
            if sync_folder:
                self.disk._note(Done("sync_folder", 0))
        return code

    def _close(self, file: int) -> int:
        return int(self._files.pop(file).calls["close"](file))

    def _read(self, file: int, data: int, size: int, offset: int) -> int:
        it = self._files[file]
        return self.disk._refusal("read", it.kind) or int(it.calls["read"](file, data, size, offset))

    def _write(self, file: int, data: int, size: int, offset: int) -> int:
        it = self._files[file]
        refused = self.disk._refusal("write", it.kind)
        if refused:
            size //= 2  # a disk may fail in the middle
        code: int = it.calls["write"](file, data, size, offset)
        if not code:
            self.disk._note(Done("write", it.number, offset, ctypes.string_at(data, size)))
        return refused or code

    def _truncate(self, file: int, size: int) -> int:
        it = self._files[file]
        code: int = self.disk._refusal("truncate", it.kind) or it.calls["truncate"](file, size)
        if not code:
            self.disk._note(Done("truncate", it.number, size))
        return code

    def _sync(self, file: int, flags: int) -> int:
        it = self._files[file]
        code: int = self.disk._refusal("sync", it.kind) or it.calls["sync"](file, flags)
        if code:
            self.disk._note(Done("lost", it.number))
        else:
            self.disk._note(Done("sync", it.number))
            if it.tells_folder:
                it.tells_folder = False
                self.disk._note(Done("sync_folder", 0))
        return code

    def _map(self, file: int, region: int, size: int, extend: int, out: int) -> int:
        it = self._files[file]
        refused = self.disk._refusal("map", it.kind) if extend else 0
        return refused or int(it.calls["map"](file, region, size, extend, out))


def _library() -> ctypes.CDLL:
    """The SQLite that the module `sqlite3` uses, found through its extension module."""
    path = getattr(importlib.import_module("_sqlite3"), "__file__", None)  # None: a part of the interpreter itself
    library = ctypes.CDLL(path)
    try:
        library.sqlite3_vfs_find.restype = _P
        library.sqlite3_vfs_register.argtypes = [_P, _INT]
        if not library.sqlite3_vfs_find(None):
            raise Unreachable("SQLite has no default VFS to wrap")
    except AttributeError:
        raise Unreachable("the SQLite of this Python is linked in and cannot be reached with ctypes") from None
    return library


_wrapper: list[_Wrapper] = []


@contextmanager
def faulty_disk(*, reads: bool = False) -> Iterator[Disk]:
    """All that SQLite opens meanwhile is on this disk. `reads`: they may fail, too. Raises Unreachable."""
    if not _wrapper:
        _wrapper.append(_Wrapper())
    wrapper = _wrapper[0]
    wrapper.forget_names()
    wrapper.disk, wrapper.reads = Disk(), reads
    disk = wrapper.disk
    wrapper.install(True)
    try:
        yield disk
    finally:
        wrapper.install(False)
        disk.fault, disk.record = None, None
