"""The daemon as it is in production, and what it takes of the machine."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.flow.harness import Daemon, Table, serve_command, unmeasured

RETENTION = "5m"
"""So short that a store is as large as it gets after that time."""
OF_THE_UNIT = {"MALLOC_ARENA_MAX": "2"}
"""What the systemd unit and the Containerfile set."""


class SoakedDaemon(Daemon):
    """A process that was started from nothing: one that shares pages with another shows less memory than it takes."""

    def __init__(self, folder: Path, destinations: Sequence[Table]) -> None:
        kept = {"retention": RETENTION, "dedupe_window": RETENTION}
        super().__init__(folder, destinations, store=kept, log={"decisions": "exceptions"})

    def spawn(self) -> None:
        """See `Daemon.spawn`."""
        assert self.process is None
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                serve_command(self.config), cwd=self.folder, stdout=log, stderr=subprocess.STDOUT,
                env={**unmeasured(), **OF_THE_UNIT},
            )  # fmt: skip

    def descriptors(self) -> int:
        """Open files and connections of the process."""
        assert self.process is not None
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())

    def threads(self) -> int:
        """Threads of the process."""
        assert self.process is not None
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/task").iterdir())

    def sizes(self) -> tuple[int, int, int]:
        """Bytes of the database, of its write-ahead log, and of the log."""
        wal = self.store.with_name(f"{self.store.name}-wal")
        database, ahead, log = (path.stat().st_size if path.exists() else 0 for path in (self.store, wal, self._log))
        return database, ahead, log
