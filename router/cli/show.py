"""What goes to the terminal: sentences, tables and JSON on standard output, everything else on standard error.

Ids and vendors' words come from outside, so nothing unprintable of them reaches the terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def printable(text: object) -> str:
    """The text with every control character written out, so that it cannot steer a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text))


def say(*lines: str) -> None:
    """Print lines on standard output."""
    for line in lines:
        print(printable(line))


def warn(*lines: str) -> None:
    """Print lines on standard error."""
    for line in lines:
        print(printable(line), file=sys.stderr)


def say_json(value: Any) -> None:
    """Print a JSON value."""
    print(json.dumps(value, indent=2))


def say_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their headers; numbers stand on the right. Never wrapped where it goes to a file or a pipe."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, header in enumerate(headers):
        numeric = bool(rows) and all(isinstance(row[place], int | float) for row in rows)
        table.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(80, console.measure(table).maximum, _widest(headers, rows))
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "" if value is None else printable(value)


def _widest(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> int:
    """Room for every column at its widest, which `measure` limits to the console's own width."""
    columns = zip(headers, *([_cell(value) for value in row] for row in rows), strict=True)
    return sum(max(len(cell) for cell in column) + 2 for column in columns)


def instant(text: str | None) -> str:
    """An instant of the admin API for people: `2026-01-02 03:04:05 UTC`."""
    return f"{text[:10]} {text[11:19]} UTC" if text else "-"


def span(seconds: float) -> str:
    """A length of time for people, in the largest unit of which there are two: `90 s`, `26 h`, `3 days`."""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length):,} {unit}"
    return f"{int(seconds)} s"


def count(n: int, noun: str) -> str:
    """`1 event`, `1,200 events`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
