"""How long a thread was ready to run and got no processor. Where machines are overloaded that is no fault of the code that runs in it."""

from __future__ import annotations

import os
import threading


def waited_s(thread: int = 0) -> float:
    """Seconds in all, since the thread began. A thread that sleeps, or waits for a lock or a disk, is not ready to run: that does not count.

    Args:
        thread: native id of a thread of this process; 0: the one that asks.

    Returns:
        0.0 where the system does not tell, so that time without a processor counts as the code's own.

    Source: https://docs.kernel.org/scheduler/sched-stats.html (`/proc/<pid>/schedstat`). Measured: 6 us.
    """
    path = f"/proc/self/task/{thread or threading.get_native_id()}/schedstat"
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            _, waited_ns, _ = os.read(file, 100).split()
        finally:
            os.close(file)
    except (OSError, ValueError):
        return 0.0
    return int(waited_ns) / 1e9
