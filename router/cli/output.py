"""What goes to the terminal: sentences, tables and JSON on standard output, everything else on standard error.

Ids and vendors' words come from outside, so nothing unprintable of them reaches the terminal. What its encoding does not know is written
out before anything is measured.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from router.cli.letters import known_to
from router.cli.style import BOLD, DIM, Styled, paint
from router.cli.table import MORE, layout, natural_width
from router.vocabulary import MASK

IN_TICKS = re.compile("`[^`]*`")
TIED = "\0"
"""Stands for a blank at which no line ends: `printable` leaves none."""


def printable(text: object) -> str:
    """The text with every control character written out, so that it cannot steer a terminal, in letters that standard output knows."""
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text))
    return known_to(sys.stdout.encoding or "utf-8", shown)


def say(*lines: str, style: str = "") -> None:
    """Print lines on standard output."""
    for line in lines:
        print(paint(printable(line), style))


def say_wrapped(sentence: str, style: str = "") -> None:
    """Print a sentence, wrapped at its words; its later lines are indented. Its first word has the style. What stands in backticks is a line
    to paste, and stays on one line."""
    whole = IN_TICKS.sub(lambda found: found[0].replace(" ", TIED), printable(sentence))
    wrapped = textwrap.wrap(whole, width(), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    first, *more = [line.replace(TIED, " ") for line in wrapped] or [""]
    word, blank, rest = first.partition(" ")
    print(paint(word, style) + blank + rest, *more, sep="\n")


def warn(*lines: str) -> None:
    """Print lines on standard error."""
    for line in lines:
        print(printable(line), file=sys.stderr)


def say_json(value: Any) -> None:
    """Print a JSON value."""
    print(json.dumps(value, indent=2))


def toml_value(value: Any) -> str:
    """A value of config.toml in a sentence; a masked secret as it is."""
    return "not set" if value is None else MASK if value == MASK else json.dumps(value, ensure_ascii=False)


def width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size().columns


def say_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    cut: Collection[str] = (),
    wrap: Collection[str] = (),
    ids: Sequence[str] = (),
) -> None:
    """Print rows under their headers, numbers aligned right, no wider than the terminal.

    Args:
        cut: headers of the columns that are cut where there is no room.
        wrap: headers of those that are wrapped then. All others stay whole.
        ids: the message id of each row: a last column where there is room for it, else a line below its row.
    """
    rows = [list(row) for row in rows]
    numeric = [
        place for place in range(len(headers)) if rows and all(isinstance(row[place], int | float) for row in rows)
    ]
    texts = [[_cell(value) for value in row] for row in rows]
    below: list[str] = []
    if ids:
        shown = [printable(id) for id in ids]
        wider = [*headers, "message id"], [[*row, id] for row, id in zip(texts, shown, strict=True)]
        if natural_width(*wider) <= width():
            headers, texts = wider
        else:
            below = [paint(f"    {id}", DIM) if id else "" for id in shown]

    def coloured(row: int, column: int, text: str) -> str:
        cell = Styled("", BOLD) if row < 0 else rows[row][column] if column < len(rows[row]) else None
        return paint(text, cell.style) if isinstance(cell, Styled) else text

    lines = layout(
        headers, texts, width(), right=numeric, cut=cut, wrap=wrap, mark=printable(MORE), below=below, paint=coloured
    )
    for line in lines:
        print(line)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else printable(value)
