"""Runs the router's command line on an odd machine: `python -m tests.flow.odd_machine FOLDER serve --config ...`

What FOLDER holds is in force at once: `disk` names the calls of SQLite that fail (`sync wal IOERR_FSYNC`) or take long
(`read wal SLOW 60`), `wall` is by how many seconds the wall clock is wrong. What `tuning` holds is run first: other bounds, so that what takes many events takes a few.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.faulty_vfs import faulty_disk, told_by

DISK, WALL, TUNING = "disk", "wall", "tuning"


def main(folder: Path, argv: list[str]) -> int:
    """As `segment-router` would."""
    right = time.time_ns

    def wrong() -> int:
        try:
            return right() + int(float((folder / WALL).read_text()) * 1e9)
        except FileNotFoundError:
            return right()

    time.time_ns = wrong
    if (folder / TUNING).exists():
        exec((folder / TUNING).read_text(), {})
    from router import cli  # its modules take the wall clock when they are imported

    with faulty_disk(reads=True) as disk:
        disk.fault = told_by(folder / DISK)
        return cli.main(argv)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
