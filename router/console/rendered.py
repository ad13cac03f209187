"""What a view returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Rendered(NamedTuple):
    """A page: the template of its main part, and what that shows."""

    template: str
    title: str
    values: Mapping[str, Any] = {}
    status: int = 200
    is_live: bool = False  #: the page keeps itself fresh
    has_charts: bool = False  #: the page loads the script of the charts
    rows: bytes = b""  #: HTML that stands where the template has `made_rows`: most of a page, and most of it the same at each refresh


class Fragment(NamedTuple):
    """The main part of a page as a stream sends it."""

    html: str
    rows: bytes = b""  #: as above


def refused(words: str, back: str, status: int = 409, title: str = "Refused") -> Rendered:
    """The page that says why another one is not shown, or a form not carried out, with the way back."""
    return Rendered("refused.html", title, {"words": words, "back": back}, status)
