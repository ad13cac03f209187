"""The text of a TOML file, cut at its headers. The parts together are the text again, byte for byte."""

from __future__ import annotations

import re
import tomllib
from typing import NamedTuple

from router.config.broken_toml import is_whole

HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
"""What may begin a header. In a text or a list of several lines it is none."""


class Section(NamedTuple):
    """One header with what stands below it."""

    path: tuple[str, ...]  #: what the header names; () before the first header
    is_element: bool  #: the header has two brackets: a new element of a list of tables
    header: str  #: its whole line
    body: str  #: all that follows until the next header

    @property
    def text(self) -> str:
        """Both."""
        return self.header + self.body


def cut(text: str) -> list[Section]:
    """The sections of a valid TOML text, in order."""
    sections, start = [], 0
    for found in HEADER.finditer(text):
        if found.start() > start and is_whole(text[start : found.start()]):
            sections.append(_section(text[start : found.start()], is_first=start == 0))
            start = found.start()
    sections.append(_section(text[start:], is_first=start == 0))
    return sections


def _section(text: str, *, is_first: bool) -> Section:
    if is_first and not HEADER.match(text):
        return Section((), False, "", text)
    header, newline, body = text.partition("\n")
    path, inner = [], tomllib.loads(header + newline)
    is_element = False
    while inner:
        ((key, value),) = inner.items()
        path.append(key)
        is_element = isinstance(value, list)
        inner = value[0] if isinstance(value, list) else value
    return Section(tuple(path), is_element, header + newline, body)


def parted(body: str) -> tuple[str, str]:
    """A body, and the blank lines and comments at its end that stand apart: they belong to what follows."""
    lines = body.splitlines(keepends=True)
    at = len(lines)
    while at and (not lines[at - 1].strip() or lines[at - 1].lstrip().startswith("#")):
        at -= 1
    while at < len(lines) and lines[at].strip():
        at += 1
    head = "".join(lines[:at])
    return (head, body[len(head) :]) if is_whole(head) else (body, "")
