"""What a process of plugins prints, passed on to standard error: the beginning of it, so that nothing else is lost among it."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import IO

__all__ = ["MAX_PRINTED", "Printed"]

MAX_PRINTED = 65_536
"""Bytes of all that one process prints."""
_GRACE_S = 1.0
"""For what is on its way when the process has ended. A process that it has left may keep the pipe open for ever."""


class Printed:
    """Reads all that comes, so that nobody waits for it, and passes on the beginning.

    Args:
        pipe: where it comes from. It is closed here.
    """

    def __init__(self, pipe: IO[bytes]) -> None:
        self._thread = threading.Thread(target=self._pass_on, args=(pipe,), daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the rest."""
        self._thread.join(_GRACE_S)

    def _pass_on(self, pipe: IO[bytes]) -> None:
        seen = 0
        with pipe:
            while data := os.read(pipe.fileno(), 65_536):
                _write(data[: max(0, MAX_PRINTED - seen)])
                seen += len(data)
        if seen > MAX_PRINTED:
            _write(f"\n({seen - MAX_PRINTED:,} more bytes were printed)\n".encode())


def _write(data: bytes) -> None:
    with contextlib.suppress(OSError):  # nobody reads standard error
        while data:
            data = data[os.write(2, data) :]
