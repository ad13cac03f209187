"""Keeps the suite away from what belongs to the user of this checkout: config.toml, the store in var, installed plugins, and a daemon that
runs where one listens by default.

Python imports this module at the start of every process that has this folder in PYTHONPATH, so the daemons and commands that
tests start are kept away as well. tests/conftest.py imports it for the test process itself, and takes care of the environment.
"""

from __future__ import annotations

import errno
import importlib.metadata as metadata
import os
import sys
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONFIG, STORE = os.path.join(ROOT, "config.toml"), os.path.join(ROOT, "var")
GROUP = "segment_router.destinations"
PORTS = (8080, 8081)
"""Where a daemon listens by default. Tests start theirs elsewhere."""

_entry_points = metadata.entry_points
_answers: dict[frozenset[str], Any] = {}


def is_the_users(path: str) -> bool:
    """Whether a path is the user's config.toml, or in the folder of the user's store."""
    whole = os.path.abspath(path)
    return whole in (CONFIG, STORE) or whole.startswith(STORE + os.sep)


def entry_points(**wanted: Any) -> Any:
    """The entry points without plugins that the user has installed beside ours. Python reads a file of each distribution for the answer,
    and every config.toml that is loaded asks: one answer serves as long as nothing is installed in a folder of a test."""
    if wanted.get("group") != GROUP:
        return _entry_points(**wanted)
    fixed = frozenset(path for path in sys.path if path.startswith((sys.prefix, sys.base_prefix, ROOT)))
    of_tests = [path for path in sys.path if path not in fixed]
    is_fixed = next(iter(metadata.distributions(path=of_tests)), None) is None
    if is_fixed and fixed in _answers:
        return _answers[fixed]
    found: Any = _entry_points(**wanted)
    ours = metadata.EntryPoints(entry for entry in found if not is_installed_by_the_user(entry.dist))
    if is_fixed:
        _answers[fixed] = ours
    return ours


def is_installed_by_the_user(found: Any) -> bool:
    """Whether a distribution is in this environment and is not ours. One in a folder of a test's own is the test's."""
    return found is not None and found.name != "segment-router" and str(found.locate_file("")).startswith(sys.prefix)


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise AssertionError where the user's own things are opened, listed, made or removed."""
    if event not in ("open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "sqlite3.connect"):
        return
    if event in ("os.mkdir", "os.remove", "os.rename") and arguments[-1] != -1:
        return  # relative to an open folder, such as one that is being removed as a whole
    if event == "open" and arguments[1] is None and not os.path.isabs(os.fsdecode(arguments[0])):
        return  # os.open, which a removal uses with names relative to an open folder, too
    for argument in arguments[:2] if event == "os.rename" else arguments[:1]:
        if isinstance(argument, str | bytes | os.PathLike):
            path = os.fsdecode(argument).removeprefix("file:").partition("?")[0]
            if is_the_users(path):
                raise AssertionError(f"a test touches the user's own {path} ({event}); use tmp_path")


def leave_alone(event: str, arguments: tuple[Any, ...]) -> None:
    """To the suite nobody listens where the user's own daemon may: a command that looks for a daemon finds none."""
    if event == "socket.connect" and isinstance(address := arguments[1], tuple) and address[1] in PORTS:
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


metadata.entry_points = entry_points
sys.addaudithook(refuse)
sys.addaudithook(leave_alone)
