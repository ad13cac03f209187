"""Kills a backup or a restore before each thing it does to a file: a run for each, in a copy of a folder of its own.

    python -m tests.contract.killed_backup backup FOLDER RUNS

makes RUNS/0, RUNS/1, ... as SIGKILL left them; the last one has come to its end.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from router.backup import Target, back_up, restore

NOW_MS = 1_767_000_000_000
TOUCHES = {
    "open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.chown", "os.listdir", "os.scandir", "sqlite3.connect",
    "sqlite3.connect/handle",
}  # fmt: skip
"""Audit events of Python: what a process does to files. https://docs.python.org/3/library/audit_events.html"""


class Silent:
    """Shows nothing."""

    def begin(self, what: str, size: int) -> None: ...

    def at(self, done: int) -> None: ...


def make(folder: Path) -> None:
    target = Target(folder / "b.tar.zst", is_folder=False, replace=True)
    back_up(folder / "router.db", target, NOW_MS, 0, Silent())


def put_back(folder: Path, now_ms: int = NOW_MS) -> None:
    restore(folder / "b.tar.zst", folder / "router.db", replace=True, now_ms=now_ms, progress=Silent())


def kill_before(n: int, folder: Path) -> None:
    """End this process before the nth thing that is done in the folder."""
    left = n

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in TOUCHES and (event.startswith("sqlite3") or any(str(folder) in str(one) for one in arguments)):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def main(work: Callable[[Path], None], source: Path, runs: Path) -> None:
    """Run after run, until one comes to its end."""
    n, status = 0, -1
    while status != 0:
        folder = runs / str(n)
        shutil.copytree(source, folder)
        child = os.fork()
        if child == 0:
            kill_before(n, folder)
            work(folder)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        assert status in (0, signal.SIGKILL), (n, status)
        n += 1


if __name__ == "__main__":
    main({"backup": make, "restore": put_back}[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3]))
