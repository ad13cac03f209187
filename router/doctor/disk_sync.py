"""How long the disk takes to sync, and whether what was synced can be read from it again."""

from __future__ import annotations

import errno
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject

TIMES = 30
LONGEST_S = 3.0
"""Then it is enough, however many there were."""
PAGE = 8192
"""What a small commit writes at least: a page of the store."""
SLOW_MS = 50.0
"""An event is answered after a sync. At 50 ms a client that sends one call at a time gets 20 a second."""
TOO_FAST_MS = 0.005
"""No disk is so fast; a disk in memory is."""


def disk_sync(subject: Subject) -> Iterator[Finding]:
    """Write, sync, drop from memory, read. The file has no name that lasts, so nothing is left of it."""
    if (disk := subject.disk) is None:
        return
    try:
        took, size, is_same = _timed(subject, disk)
    except OSError as error:
        yield about_failure(disk, error)
        return
    yield about_time(statistics.median(took), max(took), len(took))
    yield about_content(is_same=is_same, size=size)


def _timed(subject: Subject, disk: Path) -> tuple[list[float], int, bool]:
    """How long each sync took, how many bytes were written, and whether they are there when they are read again."""
    with tempfile.TemporaryFile(dir=disk, buffering=0) as file:
        content = b""
        took: list[float] = []
        began = subject.clock.monotonic()
        while len(took) < TIMES and subject.clock.monotonic() - began < LONGEST_S:
            page = os.urandom(PAGE)
            at = subject.clock.monotonic()
            file.write(page)
            os.fdatasync(file.fileno())
            took.append((subject.clock.monotonic() - at) * 1000)
            content += page
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return took, len(content), os.pread(file.fileno(), len(content), 0) == content


def about_failure(disk: Path, error: OSError) -> Finding:
    """What it means that the disk took no write or no sync: the store cannot write there either."""
    words = f"nothing can be synced in {disk}: {error.strerror}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return Finding("sync", Level.UNKNOWN, words, "run it as root or as the service's user")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Finding("sync", Level.ERROR, words, "make room on this disk")
    return Finding(
        "sync", Level.ERROR, words, "look at the disk's log in `dmesg`, and replace the disk if it is failing"
    )


def about_time(median_ms: float, slowest_ms: float, times: int) -> Finding:
    """What is to be said of the times that syncs took."""
    words = f"a sync of {PAGE:,} bytes takes {median_ms:.3g} ms (median of {times}; the slowest {slowest_ms:.3g} ms)"
    if median_ms > SLOW_MS:
        remedy = "use a faster disk; every accepted request waits for a sync, which those of one moment share"
        return Finding("sync", Level.WARNING, words, remedy)
    if median_ms < TOO_FAST_MS:
        remedy = "see what the disk is; a store in memory is lost with the machine"
        return Finding("sync", Level.WARNING, f"{words}: no disk is so fast, so nothing is written down", remedy)
    return Finding("sync", Level.OK, words)


def about_content(*, is_same: bool, size: int) -> Finding:
    """Whether the bytes were there when they were read again."""
    if is_same:
        words = f"{size:,} synced bytes were read again; only a power cut shows whether the disk keeps what it reports as written"
        return Finding("written", Level.OK, words)
    remedy = "replace the disk; its log is in `dmesg`"
    return Finding(
        "written", Level.ERROR, "what was synced is not there when it is read again: the disk loses data", remedy
    )
