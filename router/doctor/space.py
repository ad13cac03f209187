"""Bytes and inodes that are free on the disk of the store."""

from __future__ import annotations

import os
from collections.abc import Iterator

from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject
from router.store.disk_space import free_bytes

FEW_INODES = 1000


def space(subject: Subject) -> Iterator[Finding]:
    """Free bytes against `store.min_free`."""
    if (disk := subject.disk) is None:
        return
    free, reserve = free_bytes(disk), subject.min_free_bytes
    words = f"{disk} has {free:,} bytes free; store.min_free is {reserve:,}"
    remedy = f"make room on {disk}, or on a larger disk for the store"
    if free < reserve:
        yield Finding("space", Level.ERROR, f"{words}: events are answered 503", remedy)
    elif free < 2 * reserve:
        yield Finding("space", Level.WARNING, f"{words}: below it events are answered 503", remedy)
    else:
        yield Finding("space", Level.OK, words)


def inodes(subject: Subject) -> Iterator[Finding]:
    """Free inodes; a file system without a fixed number of them says 0 of 0."""
    if (disk := subject.disk) is None:
        return
    stat = os.statvfs(disk)
    if not stat.f_files:
        yield Finding("inodes", Level.OK, f"{disk} has no fixed number of inodes")
        return
    words = f"{disk} has {stat.f_favail:,} of {stat.f_files:,} inodes free"
    remedy = f"delete files on {disk}; `df -i` shows which file system is full"
    if not stat.f_favail:
        yield Finding("inodes", Level.ERROR, f"{words}: no file can be made", remedy)
    else:
        level = Level.WARNING if stat.f_favail < FEW_INODES else Level.OK
        yield Finding("inodes", level, words, remedy if level is Level.WARNING else "")
