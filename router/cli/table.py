"""Tables that fit the terminal: numbers and ids stay whole, names are cut, sentences are wrapped at their words. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from router.cli.lazy import lazy

if TYPE_CHECKING:
    from rich import cells
else:
    cells = lazy("rich.cells")

GAP, MORE = "  ", "…"
NARROWEST = 6
WRAPPED = 12
"""Columns are made narrower down to these: of cut ones, and of wrapped ones."""
WORD = 24
"""Of a wrapped column, words of up to this length stay whole."""


def layout(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    right: Collection[int] = (),
    cut: Collection[str] = (),
    wrap: Collection[str] = (),
    mark: str = MORE,
    below: Sequence[str] = (),
    paint: Callable[[int, int, str], str] = lambda row, column, text: text,
) -> Iterator[str]:
    """The lines of a table.

    Args:
        right: places of the columns that stand at the right.
        cut: headers of the columns that may be cut; they stay whole where the table does not fit with them cut.
        wrap: headers of the columns that may be wrapped; a column of neither kind is never made narrower.
        mark: the end of a text that is cut.
        below: for each row a line that follows it, whatever its length; none where it is empty.
        paint: colours a cell whose width is settled; row -1 is the headers.
    """
    widths = [max(map(cells.cell_len, column)) for column in zip(headers, *rows, strict=True)]
    least = [
        _least(header, column, cut, wrap)
        for header, column in zip(headers, zip(headers, *rows, strict=True), strict=True)
    ]
    room = width - len(GAP) * (len(headers) - 1)
    if sum(least) > room:  # it does not fit in any case: a name that is cut would be lost for nothing
        least = [widths[place] if header in cut else least[place] for place, header in enumerate(headers)]
    _narrow(widths, least, room)
    for number, row in enumerate([headers, *rows], start=-1):
        broken = [
            textwrap.wrap(text, widths[place], break_on_hyphens=False) or [""]
            if headers[place] in wrap
            else [_cut(text, widths[place], mark)]
            for place, text in enumerate(row)
        ]
        for line in range(max(map(len, broken))):
            texts = [
                _aligned(part[line] if line < len(part) else "", widths[p], p in right) for p, part in enumerate(broken)
            ]
            texts[-1] = texts[-1].rstrip() if len(headers) - 1 not in right else texts[-1]
            yield GAP.join(paint(number, place, text) for place, text in enumerate(texts)).rstrip()
        if below and number >= 0 and below[number]:
            yield below[number]


def natural_width(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """What a table takes where nothing is cut or wrapped."""
    widths = [max(map(cells.cell_len, column)) for column in zip(headers, *rows, strict=True)]
    return sum(widths) + len(GAP) * (len(headers) - 1)


def _least(header: str, column: Sequence[str], cut: Collection[str], wrap: Collection[str]) -> int:
    """How narrow a column may become."""
    width = max(map(cells.cell_len, column))
    if header in wrap:
        words = (cells.cell_len(word) for text in column for word in text.split())
        return min(width, max(WRAPPED, cells.cell_len(header), *(word for word in words if word <= WORD)))
    return min(width, max(cells.cell_len(header), NARROWEST)) if header in cut else width


def _narrow(widths: list[int], least: Sequence[int], room: int) -> None:
    """Make the widest column narrower, again and again, until all fit or nothing more can be done."""
    while sum(widths) > room:
        movable = [place for place, width in enumerate(widths) if width > least[place]]
        if not movable:
            return
        widths[max(movable, key=lambda place: widths[place])] -= 1


def _cut(text: str, width: int, mark: str) -> str:
    return text if cells.cell_len(text) <= width else cells.set_cell_size(text, width - len(mark)) + mark


def _aligned(text: str, width: int, right: bool) -> str:
    padding = " " * max(0, width - cells.cell_len(text))
    return padding + text if right else text + padding
