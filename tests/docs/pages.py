"""Reads the pages people read: README.md, docs/**/*.md and the rest; cuts their code blocks and tables out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
SHIPPED = ROOT / "router/config/shipped.toml"  #: config.toml as it comes; the one in the root is the user's
NAMES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "UPGRADING.md")
PAGES = (*(ROOT / name for name in NAMES), *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language, its text, the line it begins at, and the last `##` heading before it."""

    language: str
    text: str
    line: int
    heading: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page, in order; of these languages only, if any is named."""
    words = page.read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(words):
        headings = re.findall(r"^## (.*)$", words[: fence.start()], re.MULTILINE)
        line = words.count("\n", 0, fence.start()) + 2
        found.append(Block(fence[1], fence[2], line, headings[-1] if headings else ""))
    return [block for block in found if not languages or block.language in languages]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def sections(page: Path) -> dict[str, str]:
    """The text under each `##` and `###` heading, by heading."""
    parts = re.split(r"^###? (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {heading.strip("` "): text for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


def rows(text: str) -> dict[str, list[str]]:
    """The rows of the tables in a text, by what stands between backquotes in their first cell."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if line.startswith("| `") and (name := re.match(r"`([^`]+)`", cells[0])):
            found[name[1]] = cells
    return found
