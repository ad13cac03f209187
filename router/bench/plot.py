"""Draws a curve as an SVG file: throughput above, latency below, both against the same axis. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from router.bench.measure import Spread
from router.bench.report import Curve

WIDTH, HEIGHT, LEFT, TOP, GAP = 640, 220, 70, 30, 60
RIGHT = WIDTH - 40
LOG_FROM = 30.0
"""Where the greatest value is so many times the least one, the axis is logarithmic."""
COLOURS = ("#1f5fa8", "#c2571a")

Series = tuple[str, Sequence[Spread]]


def draw(curve: Curve) -> str:
    """The whole SVG. Bars are from the least to the greatest sample, the line joins the medians."""
    at = _axis([point.x for point in curve.points], LEFT, RIGHT, from_zero=False)
    panels = [
        ("events a second", [("throughput", [point.rate for point in curve.points])]),
        (f"ms, {curve.latency}", [(f"p{p}", [getattr(point, f"p{p}_ms") for point in curve.points]) for p in (50, 99)]),
    ]
    parts = [
        _panel(curve, at, TOP + number * (HEIGHT + GAP), *panel) for number, panel in enumerate(panels)
    ]  # fmt: skip
    height = TOP + 2 * (HEIGHT + GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(curve: Curve, at: Callable[[float], float], top: float, unit: str, series: Sequence[Series]) -> str:
    bottom = top + HEIGHT
    values = [value for _, spreads in series for one in spreads for value in (one.least, one.most)]
    up = _axis(values, bottom, top, from_zero=True)
    parts = [_text(LEFT, top - 10, unit, "start")]
    for tick in _ticks(values):
        parts.append(_line(LEFT, up(tick), RIGHT, up(tick), "#ddd"))
        parts.append(_text(LEFT - 6, up(tick) + 4, f"{tick:,g}", "end"))
    for point in curve.points:
        parts.append(_text(at(point.x), bottom + 18, f"{point.x:,.10g}", "middle"))
    parts.append(_text((LEFT + RIGHT) / 2, bottom + 34, curve.x, "middle"))
    for number, (name, spreads) in enumerate(series):
        colour = COLOURS[number]
        places = [(at(point.x), one) for point, one in zip(curve.points, spreads, strict=True)]
        path = " ".join(f"{x:.1f},{up(one.median):.1f}" for x, one in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [_line(x, up(one.least), x, up(one.most), colour) for x, one in places]
        parts += [f'<circle cx="{x:.1f}" cy="{up(one.median):.1f}" r="3" fill="{colour}"/>' for x, one in places]
        parts.append(_text(RIGHT - 90 * (len(series) - 1 - number), top - 10, name, "end", colour))
    return "\n".join(parts)


def _is_log(values: Sequence[float]) -> bool:
    positive = [value for value in values if value > 0]
    return bool(positive) and max(positive) / min(positive) > LOG_FROM


def _axis(values: Sequence[float], first: float, last: float, *, from_zero: bool) -> Callable[[float], float]:
    """From a value to its place. On a logarithmic axis zero stands half a decade before the least value above it."""
    if _is_log(values):
        floor = min(value for value in values if value > 0) / math.sqrt(10)
        low, high = math.log10(floor), math.log10(max(values))
        return lambda value: first + (last - first) * (math.log10(max(value, floor)) - low) / (high - low)
    least, most = 0.0 if from_zero else min(values), max(values)
    return lambda value: first + (last - first) * (value - least) / ((most - least) or 1.0)


def _ticks(values: Sequence[float]) -> list[float]:
    """Round values within the axis."""
    if _is_log(values):
        positive = [value for value in values if value > 0]
        decades = range(math.ceil(math.log10(min(positive) / math.sqrt(10))), math.floor(math.log10(max(positive))) + 1)
        return [10.0**decade for decade in decades]
    most = max(values) or 1.0
    size = 10.0 ** math.floor(math.log10(most))
    step = next(size * part for part in (0.2, 0.5, 1.0, 2.0) if most / (size * part) <= 6)
    return [step * number for number in range(int(most / step) + 1)]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, words: str, anchor: str, colour: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
