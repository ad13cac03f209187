"""Does something as a user who owns nothing: in a fork, since a process cannot become root again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do things as another user")


def as_nobody(work: Callable[[], str]) -> str:
    """What `work` returns there. What it imports has to be imported before: nobody may enter the folder of root."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        said = "died"
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            said = work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        finally:
            os.write(theirs, said.encode())
            os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with os.fdopen(ours, encoding="utf-8") as answer:
        return answer.read()


@contextmanager
def folder_of_nobody() -> Iterator[Path]:
    """A folder that belongs to this user, who may not enter those of pytest."""
    with tempfile.TemporaryDirectory(prefix="segment-router-nobody-") as name:
        os.chown(name, NOBODY, NOBODY)
        yield Path(name)
