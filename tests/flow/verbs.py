"""Runs the command line as forks of a prepared process (`prepared.py`): 0.1 s of processor time a command, in place of 0.9 s.

code, out, err = await verb(daemon, "status")
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tests.flow import prepared
from tests.flow.harness import Daemon, environment, eventually

INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""As in a terminal. A suite in the background of a shell ignores SIGINT, and so would what it starts."""


class Command:
    """A command that runs in a folder."""

    def __init__(self, folder: Path, *words: str, environ: Mapping[str, str] | None = None, tuning: str = "") -> None:
        """`tuning`: Python that is run first."""
        self._words, self._files = words, (os.memfd_create("out"), os.memfd_create("err"))
        first = f"{INTERRUPTIBLE}\n{tuning}"
        self._process = prepared.start(words, folder, environ or environment(), *self._files, first=first)

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def end(self) -> tuple[int, str, str]:
        """Wait for its end. Returns its exit code, and what it printed on standard output and standard error."""

        async def has_ended() -> bool:
            return self._process.poll() is not None

        await eventually(has_ended, what=f"{' '.join(self._words)} ends")
        out, err = map(_all_of, self._files)
        return self._process.wait(), out, err


def _all_of(file: int) -> str:
    """What was written into a file, which is closed."""
    with open(file, encoding="utf-8") as written:
        written.seek(0)
        return written.read()


async def verb(daemon: Daemon, *words: str) -> tuple[int, str, str]:
    """Run a command in the folder of a daemon, with its config.toml. Returns what `Command.end` does."""
    return await Command(daemon.folder, *words, "--config", str(daemon.config)).end()
