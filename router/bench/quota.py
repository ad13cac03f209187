"""A limit of the processor time of a process, by cgroups, where this user may make some."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

PERIOD_US = 20_000
"""Short: a process that has used its part up waits for the next one."""
PLENTY = {"cpu.shares": "20480", "cpu.weight": "2000"}
"""So that it has its part on a busy machine, too."""
V1, V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")


class Group:
    """Whose processes have a limit together. `works`: this machine has set it."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @property
    def works(self) -> bool:
        """Whether there is a limit."""
        return self._folder is not None

    def add(self, pid: int) -> None:
        """Limit this process, and what it starts from now on."""
        if self._folder is not None:
            (self._folder / "cgroup.procs").write_text(str(pid))


@contextmanager
def limited_to(cores: float, name: str) -> Iterator[Group]:
    """A group with a limit. Its processes must have ended when the context is left."""
    quota = int(cores * PERIOD_US)
    v1 = {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(quota), "cpu.shares": PLENTY["cpu.shares"]}
    v2 = {"cpu.max": f"{quota} {PERIOD_US}", "cpu.weight": PLENTY["cpu.weight"]}
    folder, values = (V1, v1) if V1.is_dir() else (V2, v2)
    folder /= f"segment-router-bench-{os.getpid()}-{name}"
    try:
        yield Group(folder if _make(folder, values) else None)
    finally:
        with suppress(OSError):
            folder.rmdir()


def _make(folder: Path, values: Mapping[str, str]) -> bool:
    try:
        folder.mkdir()
        for file, value in values.items():
            (folder / file).write_text(value)
    except OSError:
        return False
    return True
