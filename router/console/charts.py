"""What the templates of the charts need: series as lines of an SVG that the server draws, and as numbers beside it.

    values |= await hour(console)                            {% include "charts_hour.html" %}
    values |= await of_destination(console, name, period)    {% include "charts_destination.html" %}, has_charts=True

Where scripts run, `console.js` draws the charts of a destination anew with uPlot, from `/series.json`; the lines of the server are there
without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from router.admin.series import PERIODS
from router.console.console import Console
from router.explain import figures

WIDTH, HEIGHT = 600.0, 120.0
"""Of a drawing, in its own units; the page stretches it."""
LABELS = {
    "10m": "10 minutes", "1h": "hour", "24h": "24 hours", "7d": "7 days", "90d": "90 days",
}  # fmt: skip
STEPS = {60: "minute", 600: "10 minutes", 3600: "hour", 43_200: "12 hours"}


class Measure(NamedTuple):
    """One line of a chart: a column of `plots.series`."""

    column: str
    label: str
    shade: str = "accent"  #: the class of its colour


class Chart(NamedTuple):
    """What is drawn against one axis."""

    id: str
    title: str
    unit: str  #: "events", "people" or "s"
    measures: tuple[Measure, ...]


HOUR = (
    Chart("hour-accepted", "accepted", "events", (Measure("accepted", "accepted"),)),
    Chart("hour-delivered", "delivered", "events", (Measure("delivered", "delivered", "good"),)),
    Chart("hour-oldest", "oldest undelivered", "s", (Measure("oldest_s", "oldest undelivered", "busy"),)),
)
OF_DESTINATION = (
    Chart(
        "chart-delivered",
        "Delivered, and dead",
        "events",
        (Measure("delivered", "delivered", "good"), Measure("dead", "dead", "bad")),
    ),
    Chart(
        "chart-latency",
        "From acceptance to delivery",
        "s",
        (Measure("latency_p50_s", "half within (p50)"), Measure("latency_p95_s", "95 % within (p95)", "busy")),
    ),
    Chart(
        "chart-oldest", "Age of the oldest undelivered event", "s", (Measure("oldest_s", "oldest undelivered", "busy"),)
    ),
    Chart("chart-held", "People whose events are held", "people", (Measure("held_people", "held people", "busy"),)),
)


async def hour(console: Console) -> dict[str, Any]:
    """`hour_charts`: the last hour of the whole router, for the overview; none where the store takes its time."""
    found = await console.patience.ask("hour", lambda: console.plots.series(None, "1h"))
    return {"hour_charts": [drawn(chart, found) for chart in HOUR] if found is not None else []}


async def of_destination(console: Console, name: str, period: str) -> dict[str, Any]:
    """`charts`: a period of one destination. A period that there is not counts as an hour. Raises CommandRefused for the name."""
    period = period if period in PERIODS else "1h"
    found = await console.plots.series(name, period)
    lines = [drawn(chart, found) for chart in OF_DESTINATION]
    return {
        "charts": {
            "drawn": lines,
            "period": period,
            "periods": LABELS,
            "step": STEPS[found["step_s"]],
            "begin": _moment(found["times"][0], found["step_s"]),
            "end": _moment(found["times"][-1], found["step_s"]),
            "address": "/series.json?" + urlencode({"destination": name, "period": period}),
            "is_empty": not any(one["has_values"] for one in lines),
        }
    }


def drawn(chart: Chart, found: Mapping[str, Any]) -> dict[str, Any]:
    """A chart as its template wants it. `found`: what `plots.series` gives."""
    times: Sequence[int] = found["times"]
    columns = {one.column: found["columns"].get(one.column) or [None] * len(times) for one in chart.measures}
    whole = {name: [*column[:-1], None] if chart.unit == "events" else column for name, column in columns.items()}
    top = max((value for column in whole.values() for value in column if value is not None), default=0)
    lines = [
        {
            "label": one.label,
            "column": one.column,
            "shade": one.shade,
            "points": lines_of(whole[one.column], top),
            **_figures(columns[one.column], whole[one.column], times, chart.unit, found["step_s"]),
        }
        for one in chart.measures
    ]
    return {
        "id": chart.id,
        "title": chart.title,
        "unit": chart.unit,
        "top": written(top, chart.unit),
        "lines": lines,
        "has_values": any(value is not None for column in columns.values() for value in column),
    }


def _figures(
    column: Sequence[float | None], whole: Sequence[float | None], times: Sequence[int], unit: str, step_s: int
) -> dict[str, str]:
    """What a reader wants to know of a line without looking at it: its last value, the highest one and when, and the sum of counts.
    `whole`: without a last point that is not over, which would look like a fall."""
    total = sum(value for value in column if value is not None)
    known = [(value, at) for value, at in zip(whole, times, strict=True) if value is not None]
    if not known:
        return {"last": "–", "most": "–", "at": "", "sum": written(total, unit) if unit == "events" else "–"}
    most, at = max(known, key=lambda one: one[0])
    return {
        "last": written(known[-1][0], unit),
        "most": written(most, unit),
        "at": _moment(at, step_s) if most else "",
        "sum": written(total, unit) if unit == "events" else "–",
    }


def lines_of(values: Sequence[float | None], top: float, width: float = WIDTH, height: float = HEIGHT) -> list[str]:
    """The points of each polyline: a gap in the values is a gap in the line. `top`: the value at the upper edge."""
    step, room = width / max(1, len(values) - 1), height - 2  # half of the stroke at either edge
    lines: list[list[str]] = [[]]
    for n, value in enumerate(values):
        if value is None:
            if lines[-1]:
                lines.append([])
            continue
        lines[-1].append(f"{n * step:.1f},{1 + room - room * (value / top if top else 0):.1f}")
    return [" ".join(line if len(line) > 1 else _dash(line[0], width)) for line in lines if line]


def _dash(point: str, width: float) -> list[str]:
    """A value between two gaps: a line of one point would not be seen."""
    x, _, y = point.partition(",")
    left, right = max(0.0, float(x) - 2), min(width, float(x) + 2)
    return [f"{left:.1f},{y}", f"{right:.1f},{y}"]


def written(value: float, unit: str) -> str:
    """A value of a chart for people."""
    if unit != "s":
        return f"{value:,.0f}"
    if value >= 120:
        return figures.span(value)
    return f"{value:.0f} s" if value >= 10 or value == int(value) else f"{value:.2g} s"


def _moment(at_s: int, step_s: int) -> str:
    """When a point begins, as exactly as the period asks for."""
    at = datetime.fromtimestamp(at_s, UTC)
    return at.strftime("%H:%M" if step_s <= 600 else "%d %b %H:%M" if step_s <= 3600 else "%d %b")
