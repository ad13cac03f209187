"""Numbers, spans and instants as people read them."""

from __future__ import annotations


def instant(text: str | None) -> str:
    """An instant of the admin API for people: `2026-01-02 03:04:05 UTC`."""
    return f"{text[:10]} {text[11:19]} UTC" if text else "-"


def short_instant(text: str | None) -> str:
    """The same in a table, whose header says that it is UTC: `2026-01-02 03:04`."""
    return f"{text[:10]} {text[11:16]}" if text else "-"


def span(seconds: float) -> str:
    """A length of time for people, in the largest unit that gives at least 2: `90 s`, `26 h`, `3 days`."""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length):,} {unit}"
    return f"{int(seconds)} s"


def count(n: int, noun: str) -> str:
    """`1 event`, `1,200 events`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
