"""The command line as a process of its own."""

from __future__ import annotations

import sys

from router.cli.main import main
from router.cli.output import warn
from router.ending import end_in_time


def run() -> int:
    """Run the verb that the process was started with. Returns the exit code, and the process ends in time with it.

    Plugins are made in this process, and each of them may leave a thread, also where another one's settings are refused.
    """
    code = 1
    try:
        code = main()
    finally:
        end_in_time(code, _tell)
    return code


def _tell(words: str) -> None:
    warn(words)
    sys.stderr.flush()
