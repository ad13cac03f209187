"""The end of a process: no task, thread or handler that code of a plugin has left keeps it from ending."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

END_S = 10.0
"""From the end of all work to the end of the process: what of plugins has not ended by then is left."""

NAME = "end-in-time"


def end_in_time(code: int, tell: Callable[[str], object]) -> None:
    """Let the process end with this code in END_S at the latest. Where somebody has said so before, that holds.

    Args:
        tell: is given a sentence where the process has to be ended so.
    """
    if any(thread.name == NAME for thread in threading.enumerate()):
        return

    def end() -> None:
        tell(f"a task or thread of a plugin did not end within {END_S:g} s: left behind")
        os._exit(code)

    timer = threading.Timer(END_S, end)
    timer.daemon, timer.name = True, NAME
    timer.start()
