"""The runbooks of docs/alerts.md: for each alert the commands that show its cause, and those that end it."""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs/alerts.md"
UNIT = "segment-router"


class Runbook(NamedTuple):
    """Commands as the page has them, word by word."""

    look: list[list[str]]
    end: list[list[str]]


def runbooks() -> dict[str, Runbook]:
    """By alert. The first block of a section shows the cause, the second ends it."""
    found: dict[str, list[list[list[str]]]] = {}
    for block in blocks(PAGE, "sh"):
        found.setdefault(block.heading, []).append([shlex.split(line) for line in block.text.splitlines()])
    return {name: Runbook(*parts) for name, parts in found.items()}


def filled(command: list[str], words: dict[str, str]) -> list[str]:
    """The command with the words in capitals replaced, also inside of SQL. A word of its own must be known."""
    return [
        words[word] if word.isupper() else re.sub(r"\b[A-Z]+\b", lambda m: words.get(m[0], m[0]), word)
        for word in command
    ]
