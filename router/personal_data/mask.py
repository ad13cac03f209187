"""Personal data as people see it in passing: masked as `[console] mask` says (`emails`, `all` or `none`)."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\s<>\"']+")
"""What may be an address. One class alone, so that it reads a text of any length once."""


def masked(text: str, mask: str) -> str:
    """A trait before somebody asks to see it: `a••@example.com`; `all`: nothing of it."""
    if mask == "none" or not text:
        return text
    if mask == "all":
        return "••••"
    return _WORD.sub(_without_name, text) if "@" in text else text


def words_masked(text: str, mask: str) -> str:
    """What somebody says of an event, a vendor above all: a trait may stand in it, and only an address can be told there."""
    return masked(text, "none" if mask == "none" else "emails")


def _without_name(word: re.Match[str]) -> str:
    name, at, host = word[0].rpartition("@")
    return f"{name[0]}••@{host}" if name and at and "." in host.strip(".") else word[0]
