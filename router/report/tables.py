"""The rows of the CSV files of a report. Pure."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence

from router.admin.series import LATENCIES, NUMBERS, PEAKS, Bucket, reasons
from router.clock import to_iso
from router.counts import Counted, Counts

Row = list[str | int | float | None]

LOST = ("discarded", "dead", "filtered", "skipped")
"""What did not reach a tool, of sources and of destinations, the gravest first."""


def by_name(buckets: Iterable[Bucket]) -> dict[Counted, Counts]:
    """What each source and destination came to in all, sources first, by name."""
    found: dict[Counted, Counts] = defaultdict(Counts)
    for _, whom, counts in buckets:
        found[whom].add(counts)
    return dict(sorted(found.items(), key=lambda one: (one[0].kind != "source", one[0].name)))


def summary(totals: dict[Counted, Counts]) -> list[Row]:
    """A row for each number, and behind it one for each of its reasons."""
    rows: list[Row] = [["kind", "name", "what", "reason", "count"]]
    for whom, counts in totals.items():
        why = reasons(counts)
        for name in NUMBERS[whom.kind]:
            rows.append([*whom, name, "", counts.n.get(name, 0)])
            rows += [[*whom, name, reason, n] for reason, n in why.get(name, {}).items()]
        if whom.kind == "destination":
            for name, share in LATENCIES.items():
                rows.append([*whom, name, "", _rounded(counts.latency_s(share))])
            rows += [[*whom, f"highest {name}", "", counts.peak.get(name)] for name in PEAKS]
    return rows


def hourly(buckets: Iterable[Bucket]) -> list[Row]:
    """A row for each hour of each source and destination."""
    numbers = [*NUMBERS["source"], *NUMBERS["destination"]]
    rows: list[Row] = [["hour", "kind", "name", *numbers, *LATENCIES, *PEAKS]]
    for at, whom, counts in buckets:
        known = NUMBERS[whom.kind]
        values: Row = [counts.n.get(name, 0) if name in known else None for name in numbers]
        latencies: Row = [_rounded(counts.latency_s(share)) for share in LATENCIES.values()]
        rows.append([to_iso(at), *whom, *values, *latencies, *(_rounded(counts.peak.get(name)) for name in PEAKS)])
    return rows


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def as_csv(rows: Sequence[Row]) -> str:
    """The text of a file. Reasons may be words of a plugin: none of them is taken for a formula by a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return text.getvalue()


def _cell(value: str | float | None) -> str | int | float:
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def lost(counts: Counts) -> list[str]:
    """What was lost and why, as lines: `12 dead: 9 rejected, 3 expired`."""
    why = reasons(counts)
    lines = []
    for name in LOST:
        if n := counts.n.get(name, 0):
            parts = [f"{count:,} {reason}" for reason, count in why.get(name, {}).items()]
            lines.append(f"{n:,} {name}" + (f": {', '.join(parts)}" if parts else ""))
    return lines
