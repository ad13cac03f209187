"""Whether a measure is flat: the slope of the second half of a run against a bound. The table and the picture of a run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import fmean, linear_regression, median
from typing import NamedTuple

from router.report.pictures import AMBER, BLUE, GREEN, RED, Measure, Panel, draw
from tests.flow.soak.samples import Sample

HOUR_S = 3600.0
LEAST = 10
"""Samples of the second half below which nothing is said of a slope."""


class Bound(NamedTuple):
    """What a measure may rise by in an hour."""

    column: str
    words: str
    per_hour: float
    unit: str


BOUNDS = (
    Bound("rss_mb", "memory (RSS)", 6.0, "MB"),
    Bound("descriptors", "open descriptors", 4.0, ""),
    Bound("threads", "threads", 1.0, ""),
    Bound("database_mb", "database", 8.0, "MB"),
    Bound("wal_mb", "write-ahead log", 4.0, "MB"),
    Bound("ingest_p50_s", "ingest, p50", 0.005, "s"),
    Bound("ingest_p99_s", "ingest, p99", 0.1, "s"),
    Bound("oldest_undelivered_s", "oldest undelivered", 30.0, "s"),
)
"""Users that never came before stay in the database for good: at 100 events a second, 3,600 of them an hour here."""

PANELS = (
    Panel("memory (RSS), MB", "", (Measure("rss_mb", "RSS", BLUE),)),
    Panel(
        "descriptors and threads",
        "",
        (Measure("descriptors", "descriptors", BLUE), Measure("threads", "threads", AMBER)),
    ),
    Panel(
        "store and log, MB",
        "",
        (
            Measure("database_mb", "database", BLUE),
            Measure("wal_mb", "write-ahead log", AMBER),
            Measure("log_mb", "log", GREEN),
        ),
    ),
    Panel(
        "from a request to its 200",
        "s",
        (Measure("ingest_p50_s", "p50", BLUE), Measure("ingest_p99_s", "p99", AMBER)),
    ),
    Panel("oldest undelivered", "s", (Measure("oldest_undelivered_s", "age", AMBER),)),
    Panel("waiting events", "", (Measure("held", "held", BLUE), Measure("retrying", "retrying", RED))),
)


class Slope(NamedTuple):
    """How much a measure rises in an hour, and twice the standard error of that."""

    per_hour: float
    margin: float

    @classmethod
    def of(cls, hours: Sequence[float], values: Sequence[float]) -> Slope:
        """By least squares."""
        per_hour, start = linear_regression(hours, values)
        middle = fmean(hours)
        spread = sum((at - middle) ** 2 for at in hours)
        left = sum((value - start - per_hour * at) ** 2 for at, value in zip(hours, values, strict=True))
        return cls(per_hour, 2 * sqrt(left / (len(hours) - 2) / spread))


class Finding(NamedTuple):
    """What is said of one measure."""

    bound: Bound
    middle: float  #: the median of the second half
    most: float  #: of the whole run
    slope: Slope | None  #: None: too few samples

    @property
    def is_flat(self) -> bool:
        """Whether it cannot be told from one that rises by no more than its bound. False where nothing can be said."""
        return self.slope is not None and self.slope.per_hour - self.slope.margin <= self.bound.per_hour


def second_half(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The samples of the second half of the time."""
    if not samples:
        return samples
    middle = (samples[0].at + samples[-1].at) / 2
    return [sample for sample in samples if sample.at >= middle]


def judge(samples: Sequence[Sample]) -> list[Finding]:
    """A finding for each bound."""
    half = second_half(samples)
    hours = [(sample.at - half[0].at) / HOUR_S for sample in half]
    found = []
    for bound in BOUNDS:
        values = [float(getattr(sample, bound.column)) for sample in half]
        slope = Slope.of(hours, values) if len(half) >= LEAST else None
        most = max((float(getattr(sample, bound.column)) for sample in samples), default=0.0)
        found.append(Finding(bound, median(values) if values else 0.0, most, slope))
    return found


def log_per_event(samples: Sequence[Sample]) -> float:
    """Bytes that the log grows by for each event, in the second half."""
    half = second_half(samples)
    events = half[-1].sent - half[0].sent if half else 0
    return (half[-1].log_mb - half[0].log_mb) * 1e6 / events if events else 0.0


def table(findings: Sequence[Finding]) -> list[str]:
    """Markdown, a row for each measure."""
    rows = ["| | median, 2nd half | most | slope, 2nd half | bound | |", "|---|---|---|---|---|---|"]
    for one in findings:
        bound = one.bound
        most = f"{_written(bound.per_hour, bound.unit, signed=True)} an hour"
        values = f"{_written(one.middle, bound.unit)} | {_written(one.most, bound.unit)}"
        slope, words = "too few samples", "not judged"
        if one.slope is not None:
            margin = _written(one.slope.margin, bound.unit)
            slope = f"{_written(one.slope.per_hour, bound.unit, signed=True)} ± {margin} an hour"
            words = "flat" if one.is_flat else "**not flat**"
        rows.append(f"| {bound.words} | {values} | {slope} | {most} | {words} |")
    return rows


def picture(title: str, samples: Sequence[Sample], lines: Sequence[str]) -> bytes:
    """The PNG: a panel for each measure."""
    columns: Mapping[str, list[float]] = {
        field: [getattr(sample, field) for sample in samples] for field in Sample._fields
    }
    return draw(title, PANELS, {"times": columns["at"], "columns": columns}, lines)


def _written(value: float, unit: str, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    if unit == "s":
        return f"{1000 * value:{sign}.3g} ms" if abs(value) < 1 else f"{value:{sign}.3g} s"
    return f"{value:{sign}.3g} {unit}".rstrip()
