"""What a plugin's own code raised, in a line for people: the exception, and where in that code."""

from __future__ import annotations

import traceback
from pathlib import Path

from router.plugin_host.shortening import both_ends

MAX_WORDS = 4_096
"""Bytes of what an exception of a plugin says."""


def said_by(error: BaseException) -> str:
    """What an exception of a plugin says, cut, and in characters that can be stored and sent. Its own `__str__` may raise."""
    try:
        words = str(error)
    except BaseException:
        words = "its __str__ raises"
    return both_ends(words, MAX_WORDS).encode("utf-8", "replace").decode()


def fault_words(error: BaseException, module: str) -> str:
    """Such as "NameError: name 'x' is not defined (at acme/destination.py:41)".

    Args:
        module: of the plugin. The place is the last line that ran of its package; none where none ran, as in a file that is no Python.
    """
    words = f"{type(error).__name__}: {said_by(error)}"
    place = None if isinstance(error, SyntaxError) else _place(error, module.partition(".")[0])
    return f"{words} (at {place})" if place else words


def _place(error: BaseException, package: str) -> str | None:
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] == package:
            file = Path(frame.f_code.co_filename)
            depth = name.count(".") + (2 if file.stem == "__init__" else 1)
            return f"{Path(*file.parts[-depth:])}:{line}"
    return None
