"""What a daemon runs before its start to get SIGKILL between two steps of the next regulation."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from router.store.sqlite import regulation_file, scrub
from router.store.sqlite.group_commit import Writer


def kill_before(step: int) -> None:
    """End this process before its nth transaction, statement of its own, or line in the file beside the store, from the demand on."""
    left: int | None = None  # None: nothing is demanded yet
    run_alone, note = Writer.run_alone, regulation_file.note

    def count() -> None:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    async def run_counted(writer: Writer, work: Callable[..., Any], *args: object) -> Any:
        nonlocal left
        if left is None and work is scrub.overwrite_from_now_on:
            left = step
        count()
        return await run_alone(writer, work, *args)

    def note_counted(*args: Any) -> Any:
        count()
        return note(*args)

    setattr(Writer, "run_alone", run_counted)  # noqa: B010  # its type says more than this one does
    setattr(regulation_file, "note", note_counted)  # noqa: B010
