"""Text made safe to show: nothing in it can steer a terminal, turn the direction of writing, or begin a line of its own."""

from __future__ import annotations

import re

_ODD = r"\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_STEERS = re.compile(rf"[\x00-\x1f{_ODD}]")
DEL = 0x7F
_STEERS_IN_JSON = re.compile(rf"[{_ODD}]")
"""JSON escapes the others by itself."""


def printable(text: str) -> str:
    r"""The text with `\x1b` or `\u202e` in place of each character that a terminal would act upon, line breaks included."""
    return _STEERS.sub(lambda match: _escape(ord(match[0])), text)


def indented(text: str) -> str:
    """The same of a text of several lines, which keeps them, set in: none looks like a line of the log."""
    return "\n".join(f"    {printable(line)}" for line in text.rstrip("\n").split("\n"))


def printable_json(line: bytes) -> bytes:
    """JSON in which these characters are escaped, too. What stands beyond ASCII in JSON stands in a string."""
    return _STEERS_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", line.decode()).encode()


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
