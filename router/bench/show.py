"""A report in words: the table, its details, and both beside an older run."""

from __future__ import annotations

import sys

from router.bench.measure import Spread
from router.bench.report import Conditions, Line, Measure, Report
from router.bench.targets import CLUSTER, EVERY, TARGETS

BUSY = 0.9
"""Share of its core beyond which the load generator and the sink may be what limits a run."""
_TABLE = f"{'#':<5} {'median [least..most]':>26} {'must':>7} {'stretch':>7}  {'':<8} measure"
_DETAILS = f"{'ratio':>19} {'per cpu-s':>19}  {'detail':<54} {'ev/s':>9} {'ev/cpu-s':>9} {'p50':>7} {'p99':>7} {'p99.9':>7} {'B/ev':>7} {'foreign':>8}"


def show(report: Report) -> str:
    """The table and its details, under the conditions they were measured in."""
    words = [*_show_conditions(report.conditions), ""]
    if report.measures:
        words += [_TABLE, *[row for one in report.measures for row in _show_measure(one)], ""]
    if report.lines:
        words += [_DETAILS, *[row for one in report.lines for row in _show_line(one)], ""]
    words += [f"NOT IN BALANCE  {problem}" for problem in report.problems]
    if not report.problems:
        words.append("balance: everything answered is accepted, stored and accounted for")
    return "\n".join(words)


def _show_conditions(c: Conditions) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in c.versions.items())
    sizes = ", ".join(f"{name} {n:,}" for name, n in c.sizes.items())
    return [
        f"segment-router {c.version}, Python {c.python} on {sys.platform}, SQLite {c.sqlite}, {versions}",
        f"{c.processor}; {c.cores} cores, {c.pinned}; load average {c.load_average[0]:.1f} to {c.load_average[1]:.1f}; begun {c.began}",
        f"{c.rounds} rounds of {c.seconds:g} s, interleaved; events: {sizes}; a sync of the disk takes {c.sync_ms:.2f} ms; ms where no unit is given",
    ]  # fmt: skip


def _show_measure(one: Measure) -> list[str]:
    target = EVERY[one.id]
    unit = f" {target.unit}" if target.unit else ""
    verdict = target.verdict(one.value.median)
    rows = [
        f"{one.id:<5} {f'{one.value}{unit}':>26} {target.must:>7g} {target.stretch:>7g}  {verdict:<8} {target.name}"
    ]
    if one.more:
        rows.append(f"{'':<58}{_show_more(one.more)}")
    if one.more.get("client", 0.0) > BUSY:
        rows.append(f"{'':<58}load generator and sink took nearly all of their core: they may be the limit")
    return rows


def _show_line(one: Line) -> list[str]:
    name = f"{one.name} / {one.against}" if one.against else one.name
    noise = f" noisy {one.noisy}/{one.runs}" if one.noisy else ""
    rows = [
        f"{_spread(one.ratio)} {_spread(one.cpu_ratio)}  {name:<54} {one.rate:>9,.0f} {one.rate_per_cpu:>9,.0f}"
        f" {one.p50_ms:>7.1f} {one.p99_ms:>7.1f} {one.p999_ms:>7.1f} {one.written:>7,.0f} {one.foreign:>8.2f}{noise}"
    ]
    if one.more:
        rows.append(f"{'':41} {_show_more(one.more)}")
    return rows


def _show_more(more: dict[str, float]) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in more.items())


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _spread(ratio: Spread | None) -> str:
    return f"{'' if ratio is None else str(ratio):>19}"


def markdown(report: Report) -> str:
    """The table as it stands in docs/performance.md, or that of several nodes in docs/cluster/sizing.md, all rows of it; one that was not
    measured has no figure."""
    found = {one.id: one for one in report.measures}
    table = CLUSTER if found.keys() & CLUSTER.keys() else TARGETS
    words = ["| # | measure | must | stretch | measured | |", "|---|---|---|---|---|---|"]
    for id, target in table.items():
        sign, unit = ("≤" if target.lower_is_better else "≥"), f" {target.unit}" if target.unit else ""
        value = found[id].value if id in found else None
        figures = f"{value}{unit} | {target.verdict(value.median)}" if value else " |"
        words.append(
            f"| `{id}` | {target.name} | {sign} {target.must:g}{unit} | {sign} {target.stretch:g}{unit} | {figures} |"
        )
    return "\n".join(words)


def compare(old: Report, new: Report) -> str:
    """Two runs side by side, with new / old; what only one of them has is left out."""
    words = [f"{'old':>26} {'new':>26} {'new/old':>8}  measure"]
    was = {one.id: one for one in old.measures}
    for one in new.measures:
        if one.id in was:
            words.append(_pair(str(was[one.id].value), str(one.value), was[one.id].value.median, one.value.median, f"{one.id} {EVERY[one.id].name}"))  # fmt: skip
    before = {(one.suite, one.name): one for one in old.lines}
    for row in new.lines:
        former = before.get((row.suite, row.name))
        if former is None:
            continue
        if former.ratio and row.ratio:
            name = f"{row.suite}: {row.name} / {row.against}"
            words.append(_pair(str(former.ratio), str(row.ratio), former.ratio.median, row.ratio.median, name))
        else:
            rates = f"{former.rate:,.0f} ev/s", f"{row.rate:,.0f} ev/s"
            words.append(_pair(*rates, former.rate, row.rate, f"{row.suite}: {row.name}"))
    return "\n".join(words)


def _pair(was: str, now: str, before: float, after: float, name: str) -> str:
    return f"{was:>26} {now:>26} {after / before if before else 0.0:>7.2f}x  {name}"
