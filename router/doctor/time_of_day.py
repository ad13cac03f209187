"""The clock: against the newest time in the store, and whether anything keeps it right."""

from __future__ import annotations

import ctypes
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

from router.clock import JUMP_MS, to_iso
from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject
from router.explain.figures import span

WAIT_S = 2.0
TIMEX_BYTES = 512
"""More than the struct timex of any machine."""
UNSYNCHRONISED = 5
"""TIME_ERROR. Source: adjtimex(2)"""


def clock(subject: Subject) -> Iterator[Finding]:
    """Router time never runs back: with a clock behind it, instants in the store are ahead of the clock until that has caught up."""
    if subject.store is None or not subject.store.is_file():
        return
    uri = f"file:{quote(str(subject.store))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_S)) as db:
            (mark,) = db.execute("SELECT clock FROM head").fetchone()
    except sqlite3.Error as error:
        yield Finding(
            "clock",
            Level.UNKNOWN,
            f"the newest time in the store cannot be read: {error}",
            "see the finding about the store",
        )
        return
    now = subject.clock.now_ms()
    if mark - now > JUMP_MS:
        words = (
            f"the clock says {to_iso(now)}, which is {span((mark - now) / 1000)} behind the newest time in the store"
        )
        remedy = "set the clock right; until then waits and retention are counted from the time in the store"
        yield Finding("clock", Level.WARNING, words, remedy)
    else:
        yield Finding("clock", Level.OK, f"the clock says {to_iso(now)}, and no time in the store is later")


def time_source(subject: Subject) -> Iterator[Finding]:
    """What the kernel says of its clock."""
    yield about_state(_kernel_state())


def about_state(state: int) -> Finding:
    """What is to be said of an answer of adjtimex."""
    if state == UNSYNCHRONISED:
        words = "nothing keeps the clock right (the kernel says that it is not synchronised), so it may drift or jump"
        return Finding("time_source", Level.WARNING, words, "run systemd-timesyncd or chrony")
    if state < 0:
        return Finding(
            "time_source",
            Level.UNKNOWN,
            "the kernel does not say whether the clock is synchronised",
            "see `timedatectl`",
        )
    return Finding("time_source", Level.OK, "the clock is synchronised")


def _kernel_state() -> int:
    """The answer of adjtimex; below 0 where it may not be asked, as in some containers. `modes` is 0, so nothing is set."""
    try:
        return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))
    except (OSError, AttributeError):  # no libc with that function
        return -1
