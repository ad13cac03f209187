"""Colours by state, for terminals only. A colour never says what the word does not say.

NO_COLOR turns them off, FORCE_COLOR on. Sources: https://no-color.org, https://force-color.org
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

GOOD, BUSY, BAD, DIM, BOLD = "32", "33", "31", "2", "1"
"""Codes of ANSI terminals: green, yellow, red, faint, bold."""

OF_STATE = {
    "running": GOOD, "ready": GOOD, "delivered": GOOD,
    "held": BUSY, "retrying": BUSY, "queued": BUSY, "dry-run": BUSY,
    "paused": BAD, "breaker_open": BAD, "dead": BAD,
    "skipped": DIM, "filtered": DIM, "disabled": DIM, "stopped": DIM,
}  # fmt: skip


class Styled(NamedTuple):
    """A text and how it looks."""

    text: str
    style: str

    def __str__(self) -> str:
        return self.text


def state(word: str) -> Styled:
    """The name of a state, of an event or a destination."""
    return Styled(word.replace("_", " "), OF_STATE.get(word, ""))


def paint(text: str, style: str) -> str:
    """The text in its colour, where standard output shows colours."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and shows_colours() else text


def shows_colours() -> bool:
    """Whether standard output shows colours."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")
