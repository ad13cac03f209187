"""The patterns of `match`: `*` any run of characters, `?` one, `[abc]` and `[a-z]` one of these, `[^a-z]` any other, `\\x` x itself.

A pattern is cut at its stars. What stands between two stars has a fixed length, so each piece is looked for once from left to
right, and the leftmost place will do: the time grows with the length of the pattern times that of the text, never faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

Matcher = Callable[[str], bool]


class Piece(NamedTuple):
    """What stands between two stars: a regular expression, or the very text where there is nothing but text."""

    expression: str = ""
    text: str | None = ""

    def plus(self, expression: str, text: str | None = None) -> Piece:
        """The piece with one more character."""
        return Piece(self.expression + expression, None if text is None or self.text is None else self.text + text)


def compile_glob(pattern: str) -> Matcher:
    """A function that says whether the whole of a text fits. Raises ValueError with the reason."""
    first, *more = _pieces(pattern)
    if not more:
        whole = re.compile(first.expression, re.DOTALL).fullmatch
        return lambda text: whole(text) is not None
    *between, last = more
    between = [piece for piece in between if piece.expression]
    if first.text is not None and last.text is not None and not between:
        return _of_ends(first.text, last.text)
    begins, fits_end, last_length = _compiled(first).match, _compiled(last).fullmatch, _length(last.expression)
    searches = [_compiled(piece).search for piece in between]

    def fits(text: str) -> bool:
        found = begins(text)
        if found is None:
            return False
        for search in searches:
            found = search(text, found.end())
            if found is None:
                return False
        start = len(text) - last_length
        return start >= found.end() and fits_end(text, start) is not None

    return fits


def _of_ends(begin: str, end: str) -> Matcher:
    """The usual patterns, `x*`, `*x` and `x*y`, without a regular expression."""
    least = len(begin) + len(end)
    if not begin:
        return lambda text: text.endswith(end)
    return lambda text: text.startswith(begin) and text.endswith(end) and len(text) >= least


def _compiled(piece: Piece) -> re.Pattern[str]:
    return re.compile(piece.expression, re.DOTALL)


def _pieces(pattern: str) -> list[Piece]:
    """What stands between the stars; each piece has a fixed length."""
    pieces, at = [Piece()], 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            pieces.append(Piece())
        elif char == "?":
            pieces[-1] = pieces[-1].plus(".")
        elif char == "[":
            one_of, at = _set(pattern, at)
            pieces[-1] = pieces[-1].plus(one_of)
        else:
            char, at = _escaped(pattern, at - 1)
            pieces[-1] = pieces[-1].plus(re.escape(char), char)
    return pieces


def _set(pattern: str, at: int) -> tuple[str, int]:
    """A set as a regular expression, and the place behind it."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    items = ""
    while at < len(pattern) and pattern[at] != "]":
        low, at = _item(pattern, at)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _item(pattern, at + 1)
        if high < low:
            raise ValueError(f"the range {low}-{high} runs backwards; write {high}-{low}")
        items += re.escape(low) if high == low else f"{re.escape(low)}-{re.escape(high)}"
    if at >= len(pattern):
        raise ValueError("a set has no end; close it with ], or write \\[ for the sign itself")
    if not items:
        raise ValueError("a set is empty; name its characters, or write \\[ for the sign itself")
    return f"[{'^' * negated}{items}]", at + 1


def _item(pattern: str, at: int) -> tuple[str, int]:
    """One character of a set."""
    if at >= len(pattern) or pattern[at] in "]-":
        raise ValueError("a set has - or ] in a place of its own; write \\- or \\] for the sign itself")
    return _escaped(pattern, at)


def _escaped(pattern: str, at: int) -> tuple[str, int]:
    """The character at a place, or the one behind a backslash, and the place behind it."""
    if pattern[at] != "\\":
        return pattern[at], at + 1
    if at + 1 == len(pattern):
        raise ValueError("it ends with a backslash; write \\\\ for the sign itself")
    return pattern[at + 1], at + 2


def _length(expression: str) -> int:
    """How many characters fit a piece."""
    return len(re.sub(r"\[(?:[^\]\\]|\\.)*\]|\\.", "x", expression, flags=re.DOTALL))
