"""Text for a terminal that knows fewer letters than the text has, e.g. ASCII only."""

from __future__ import annotations

import codecs

LIKE = {"…": "...", "•": "*", "–": "-", "·": "-", "✓": "+", "✗": "x", "≤": "<=", "≥": ">="}
"""What stands for signs that the router writes itself. Other letters are written out: `\\xe9`, `\\u20ac`."""
ERRORS = "segment-router-letters"
"""The error handler of a stream that does so."""


def known_to(encoding: str, text: str) -> str:
    """The text as a stream of this encoding shows it: what is measured and cut is what is seen."""
    return text.encode(encoding, ERRORS).decode(encoding)


def _written_out(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unknown = error.object[error.start : error.end]
    return "".join(
        LIKE.get(letter) or letter.encode("ascii", "backslashreplace").decode() for letter in unknown
    ), error.end


codecs.register_error(ERRORS, _written_out)
