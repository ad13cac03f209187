"""What an error of the database means: which one becomes which outcome.

    a wrong user or password             Pause `credentials`
    no such database, no right to it     Pause `set_up`
    a table without a key on `id`        Pause `set_up`
    a connection lost, a time-out, a lock, a full disk, a server that starts, stops or only reads    RetryLater
    a table or column that is not there any more, or no column more    RetryLater: it is looked up again
    anything else while it connects      Pause `set_up`
    anything else                        something in the rows: the batch is halved, a single event is rejected

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import ssl

from plugins.postgres.driver import asyncpg
from router.plugin import Outcome, Pause, Reject, RetryLater, Split, excerpt

ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.ClientConfigurationError,
    OSError,
)
"""What the driver raises."""

_LATER = {
    "08": "connection",
    "25006": "read_only",
    "40": "conflict",
    "53": "resources",
    "55": "lock",
    "57": "unavailable",
    "58": "resources",
}
"""SQLSTATEs and their classes that pass."""
_CHANGED = {"42P01", "42703", "42804", "3F000", "0A000", "54011"}
"""A table, column, type or schema is not what it was when it was looked up, or the table can get no further column."""
_SET_UP = {"3D000", "42501", "42P10"}


def is_changed(error: BaseException) -> bool:
    """Whether somebody changed a table."""
    return getattr(error, "sqlstate", None) in _CHANGED or isinstance(error, asyncpg.OutdatedSchemaCacheError)


def is_outdated(error: BaseException) -> bool:
    """Whether to look tables up again: somebody changed one, or has to correct one before it is written."""
    return is_changed(error) or isinstance(error, Pause) or getattr(error, "sqlstate", None) in _SET_UP


def read_error(error: BaseException, n: int) -> Outcome:
    """The outcome of a batch that ended in an error of the driver.

    Args:
        n: how many items were being written; 0 while there was no connection yet, which is no item's fault.
    """
    words = excerpt(f"{type(error).__name__}: {error}".encode())
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith("28"):
        return Pause("credentials", words)
    if state in _SET_UP or isinstance(error, asyncpg.ClientConfigurationError | ssl.SSLCertVerificationError):
        return Pause("set_up", words)
    if is_changed(error):
        return RetryLater("table_changed", words, after_s=1.0)
    if isinstance(error, TimeoutError):
        return RetryLater("timeout", words)
    if not state:  # the driver's own: a connection that ended in the middle confuses it, too
        return RetryLater("connection", words)
    if later := _LATER.get(state) or _LATER.get(state[:2]):
        return RetryLater(later, words)
    if n == 0:
        return Pause("set_up", words)
    return Split("rejected", words) if n > 1 else Reject("rejected", words)
