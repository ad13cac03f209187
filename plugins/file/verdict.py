"""What the disk's answer means. There is no HTTP here, so the plugin has no `verdict` hook.

the batch is written (with `fsync`: flushed)  delivered
any error of the operating system             RetryLater `file`: the disk may have room again, or be back
"""

from __future__ import annotations

from pathlib import Path

from router.plugin import RetryLater


def not_written(error: OSError, path: Path) -> RetryLater:
    """The outcome of a batch that could not be written."""
    return RetryLater("file", f"{error.strerror or error}: {path}")
