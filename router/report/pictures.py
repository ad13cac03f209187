"""A report as PNG: a panel for each measure over time, and below what was lost. Drawn at twice its size, then made smaller.

Pillow has a font of its own, so that the words are there on a machine without any.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from router.explain.figures import span

if TYPE_CHECKING:
    from PIL import ImageDraw

WIDTH, PANEL, LEFT, RIGHT, TITLE, LINE = 1000, 150, 70, 30, 60, 22
SCALE, DOT = 2, 2.5
INK, DIM, GRID = "#1b1d21", "#62666e", "#e4e4e1"
BLUE, GREEN, AMBER, RED = "#3f4bc4", "#0f6e42", "#8a5200", "#b3261e"


class Measure(NamedTuple):
    """One line: a column of a series."""

    column: str
    label: str
    colour: str


class Panel(NamedTuple):
    """What is drawn against one axis."""

    title: str
    unit: str  #: "s", or "" for a count
    measures: tuple[Measure, ...]


OF_DESTINATION = (
    Panel("events", "", (Measure("delivered", "delivered", GREEN), Measure("dead", "dead", RED))),
    Panel(
        "from acceptance to delivery",
        "s",
        (Measure("latency_p50_s", "half within (p50)", BLUE), Measure("latency_p95_s", "95 % within (p95)", AMBER)),
    ),
    Panel("oldest undelivered", "s", (Measure("oldest_s", "age", AMBER),)),
    Panel("held people", "", (Measure("held_people", "people", AMBER),)),
)
OF_SOURCE = (
    Panel(
        "events",
        "",
        (
            Measure("accepted", "accepted", BLUE),
            Measure("duplicates", "duplicates", AMBER),
            Measure("discarded", "discarded", RED),
        ),
    ),
)


def draw(title: str, panels: Sequence[Panel], series: Mapping[str, Any], lines: Sequence[str]) -> bytes:
    """The PNG. `lines` stand below the panels. Raises ImportError where Pillow is not installed."""
    from PIL import Image, ImageDraw, ImageFont

    height = TITLE + len(panels) * (PANEL + 50) + LINE * max(1, len(lines)) + 30
    image = Image.new("RGB", (WIDTH * SCALE, height * SCALE), "white")
    pen = _Pen(ImageDraw.Draw(image), {size: ImageFont.load_default(size * SCALE) for size in (13, 20)})
    pen.text(LEFT, 18, title, INK, size=20)
    top = TITLE
    for panel in panels:
        _panel(pen, panel, series, top)
        top += PANEL + 50
    for line in lines or ["nothing was lost"]:
        pen.text(LEFT, top, line, INK)
        top += LINE
    written = io.BytesIO()
    image.resize((WIDTH, height), Image.Resampling.LANCZOS).save(written, "PNG", optimize=True)
    return written.getvalue()


class _Pen:
    """Draws in units of the picture as it will be."""

    def __init__(self, drawing: ImageDraw.ImageDraw, fonts: Mapping[int, Any]) -> None:
        self._drawing, self._fonts = drawing, fonts

    def text(self, x: float, y: float, words: str, colour: str, *, size: int = 13, anchor: str = "la") -> None:
        """Words; `anchor` as Pillow has it."""
        self._drawing.text((x * SCALE, y * SCALE), words, fill=colour, font=self._fonts[size], anchor=anchor)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1.0) -> None:
        """A line through these points; a single one is a dot."""
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        if len(scaled) == 1:
            self._drawing.circle(scaled[0], DOT * SCALE, fill=colour)
            return
        self._drawing.line(scaled, fill=colour, width=round(width * SCALE), joint="curve")


def _panel(pen: _Pen, panel: Panel, series: Mapping[str, Any], top: float) -> None:
    times, right, bottom = series["times"], WIDTH - RIGHT, top + 20 + PANEL
    columns = [series["columns"].get(one.column) or [None] * len(times) for one in panel.measures]
    most = max((value for column in columns for value in column if value is not None), default=0)
    pen.text(LEFT, top, panel.title, INK)
    place = right
    for one in reversed(panel.measures):
        pen.text(place, top, one.label, one.colour, anchor="ra")
        place -= 12 + 8 * len(one.label)
    for value in ticks(most, panel.unit):
        y = bottom - (value / most if most else 0) * (PANEL - 10)
        pen.line([(LEFT, y), (right, y)], GRID)
        pen.text(LEFT - 8, y, _written(value, panel.unit), DIM, anchor="rm")
    step = (right - LEFT) / max(1, len(times) - 1)
    for at in range(0, len(times), max(1, len(times) // 7)):
        pen.text(
            LEFT + at * step, bottom + 6, f"{datetime.fromtimestamp(times[at], UTC):%d %b %H:%M}", DIM, anchor="la"
        )
    for one, column in zip(panel.measures, columns, strict=True):
        for points in _pieces(column, step, bottom, most):
            pen.line(points, one.colour, 1.5)


def ticks(most: float, unit: str) -> list[float]:
    """What stands at an axis up to this value: different numbers, and whole ones where things are counted."""
    return sorted({0, most / 2 if unit else most // 2, most})


def _pieces(column: Sequence[float | None], step: float, bottom: float, most: float) -> list[list[tuple[float, float]]]:
    """The line of a column, interrupted where nothing is known."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for n, value in enumerate(column):
        if value is not None:
            pieces[-1].append((LEFT + n * step, bottom - (value / most if most else 0) * (PANEL - 10)))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _written(value: float, unit: str) -> str:
    if unit == "s":
        return span(value) if value >= 120 else f"{value:.3g} s"
    return f"{value:,.0f}"
