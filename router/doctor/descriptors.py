"""The limit of open files: of the daemon that runs, else of this shell."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from pathlib import Path
from resource import RLIM_INFINITY

from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject
from router.ingest.limits import INGEST

REST = INGEST.spare_files
"""Descriptors that connections of clients leave to the store, the deliveries and the admin listener."""


def descriptors(subject: Subject) -> Iterator[Finding]:
    """How many connections the limit allows."""
    if subject.running is None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        yield about_limit(soft, "this shell")
        return
    process = Path("/proc", str(subject.running.pid))
    found = re.search(r"^Max open files\s+(\d+|unlimited)", (process / "limits").read_text(), re.MULTILINE)
    assert found is not None
    try:
        used = f"the daemon, which uses {len(list((process / 'fd').iterdir())):,},"
    except OSError:  # of another user
        used = "the daemon"
    yield about_limit(RLIM_INFINITY if found[1] == "unlimited" else int(found[1]), used)


def about_limit(limit: int, whose: str) -> Finding:
    """What is to be said of a limit."""
    if limit == RLIM_INFINITY:
        return Finding("descriptors", Level.OK, f"{whose} may have any number of open files")
    words = f"{whose} may have {limit:,} open files"
    remedy = "raise it: LimitNOFILE=65536 in the unit, or `ulimit -n` before the start"
    if limit <= REST:
        return Finding("descriptors", Level.ERROR, f"{words}, which leaves none for connections", remedy)
    if limit < INGEST.connections + REST:
        left = limit - REST
        return Finding("descriptors", Level.WARNING, f"{words}: about {left:,} connections at a time", remedy)
    return Finding("descriptors", Level.OK, words)
