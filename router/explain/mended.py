"""What was mended in the calls of a source, as sentences, and which libraries sent them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

WORDS: Mapping[str, str] = {
    "unreadable": "could not be read, so it counted as absent",
    "out_of_range": "was too far from the receipt to be believed",
    "empty_list": "was an empty list, read as an empty object",
    "not_an_object": "was no object, so it counted as absent",
    "not_an_id": "was no id, so it counted as absent",
    "not_a_number": "had NaN or Infinity in it, read as null",
    "object_dropped": "was or held an object, which has no hash, so that was dropped",
    "broken_text": "had half an emoji in it, read as U+FFFD",
}
"""By the problem: ends a sentence that begins with the field."""


class Mended(NamedTuple):
    """One problem of one field."""

    field: str
    sentence: str
    n: int
    libraries: list[str]  #: that sent it, as far as they say so, with how often: `analytics-ios 3.7 (2)`


def mended_in(source: Mapping[str, Any]) -> list[Mended]:
    """All of a source, as `/api/sources` gives it."""
    by_library = source.get("warnings_by_library", {})
    return [
        Mended(field, WORDS.get(problem, problem), n, _libraries(by_library, field, problem))
        for field, problems in source["warnings"].items()
        for problem, n in problems.items()
    ]


def _libraries(by_library: Mapping[str, Any], field: str, problem: str) -> list[str]:
    counted = {name: fields.get(field, {}).get(problem, 0) for name, fields in by_library.items()}
    return [f"{name} ({n:,})" for name, n in sorted(counted.items(), key=lambda one: -one[1]) if n]
