"""Backups of the store: one compressed file each, made beside a running daemon, and put back while none runs.

back_up.py       makes one
keeping.py       names of backups in a folder, and which of them go
restore.py       puts one back
exchange.py      the restored store takes the place of the old one
archive.py       the file: a tar archive, compressed with zstd
last_backup.py   when the last one was made, in a file beside the store
work_folder.py   where files lie until they are whole
progress.py      how far it is
"""

from __future__ import annotations

from router.backup.back_up import Made, Target, back_up
from router.backup.keeping import SUFFIX
from router.backup.progress import Progress
from router.backup.restore import Restored, restore

__all__ = ["SUFFIX", "Made", "Progress", "Restored", "Target", "back_up", "restore"]
