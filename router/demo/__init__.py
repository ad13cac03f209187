"""`segment-router demo`: shows held events, a kill, a group call and the release, in a folder of its own, and checks each step."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from router.demo.stage import DemoFailed
from router.demo.story import play


def run(*, keep: bool = False) -> int:
    """Run the demo. Returns the exit code: 0 only if every step happened as shown. `keep`: leave the folder."""
    folder = Path(tempfile.mkdtemp(prefix="segment-router-demo-"))
    failed = True
    try:
        asyncio.run(play(folder))
        failed = False
    except DemoFailed as error:
        print(f"  ✗ {error}", flush=True)
    finally:
        if keep or failed:
            print(f"The folder is kept: {folder} (daemon.log, router.db, config.toml)", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return int(failed)
