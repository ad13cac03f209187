"""What a run has to say: lines with the ratio first, as a table, as JSON, and beside those of an older run."""

from __future__ import annotations

import importlib.metadata
import platform
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from router.bench.child import CLIENT_CORE, CORES, SERVER_CORE
from router.bench.load import Loaded
from router.bench.measure import NOISY, Spread, ratios, sync_ms
from router.bench.references import Stored


class Line(msgspec.Struct):
    """One measure. `ratio` and `cpu_ratio`: to `against`, pair by pair; the second in events per processor second."""

    suite: str
    name: str
    rate: float
    rate_per_cpu: float
    ratio: Spread | None = None
    cpu_ratio: Spread | None = None
    against: str = ""
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    p999_ms: float = 0.0
    written: float = 0.0  #: bytes written to storage for each event
    foreign: float = 0.0
    noisy: int = 0  #: runs in which others took more than NOISY of a core
    runs: int = 0
    more: dict[str, float] = {}


class Conditions(msgspec.Struct):
    """Where and with what it ran."""

    python: str
    sqlite: str
    versions: dict[str, str]
    cores: int
    pinned: str
    folder: str
    sync_ms: float
    quick: bool
    seconds: float
    rounds: int


class Report(msgspec.Struct):
    """All of a run."""

    conditions: Conditions
    lines: list[Line] = []
    problems: list[str] = []


Run = Loaded | Stored


def line(
    suite: str, name: str, runs: Sequence[Run], reference: Sequence[Run] = (), against: str = "", **more: float
) -> Line:
    """Sum up the runs of one kind, beside the runs they were paired with."""
    loads = [run for run in runs if isinstance(run, Loaded)]
    result = Line(
        suite, name, median([run.rate for run in runs]), median([run.rate_per_cpu for run in runs]),
        written=median([run.written / run.events if run.events else 0.0 for run in runs]),
        foreign=median([run.foreign for run in runs]), noisy=sum(run.foreign > NOISY for run in runs), runs=len(runs),
        more=more,
    )  # fmt: skip
    if reference:
        result.against = against
        result.ratio = ratios([run.rate for run in runs], [run.rate for run in reference])
        result.cpu_ratio = ratios([run.rate_per_cpu for run in runs], [run.rate_per_cpu for run in reference])
    if loads:
        result.p50_ms = median([load.p50_ms for load in loads])
        result.p99_ms = median([load.p99_ms for load in loads])
        result.p999_ms = median([load.p999_ms for load in loads])
        result.more["generator"] = median([load.generator_share for load in loads])
    return result


def conditions(folder: Path, *, quick: bool, seconds: float, rounds: int) -> Conditions:
    """Ask the machine."""
    names = ("aiohttp", "uvloop", "msgspec", "aiosqlite")
    versions = {name: importlib.metadata.version(name) for name in names if _is_installed(name)}
    pinned = (
        f"server on core {SERVER_CORE}, load and sink on {CLIENT_CORE}" if SERVER_CORE is not None else "not pinned"
    )
    return Conditions(
        platform.python_version(), sqlite3.sqlite_version, versions, len(CORES), pinned, str(folder), sync_ms(folder),
        quick, seconds, rounds,
    )  # fmt: skip


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


# ---------------------------------------------------------------- words

_HEAD = f"{'ratio':>19} {'per cpu-s':>19}  {'measure':<46} {'ev/s':>9} {'ev/cpu-s':>9} {'p50':>7} {'p99':>7} {'p99.9':>7} {'B/ev':>7} {'foreign':>8}"


def show(report: Report) -> str:
    """The table, under the conditions it was measured in."""
    c = report.conditions
    versions = ", ".join(f"{name} {version}" for name, version in c.versions.items())
    words = [
        f"Python {c.python} on {sys.platform}, SQLite {c.sqlite}, {versions}; {c.cores} cores, {c.pinned}",
        f"{c.rounds} rounds of {c.seconds:g} s, interleaved; a sync of the disk takes {c.sync_ms:.2f} ms; ms where no unit is given",
        "",
        _HEAD,
    ]
    for one in report.lines:
        words.append(_show_line(one))
        more = [f"{name} {_number(value)}" for name, value in one.more.items()]
        if more:
            words.append(f"{'':41} {', '.join(more)}")
    words.append("")
    words += [f"NOT IN BALANCE  {problem}" for problem in report.problems]
    if not report.problems:
        words.append("balance: everything answered is accepted, stored and accounted for")
    return "\n".join(words)


def _show_line(one: Line) -> str:
    name = f"{one.name} / {one.against}" if one.against else one.name
    noise = f" noisy {one.noisy}/{one.runs}" if one.noisy else ""
    return (
        f"{_spread(one.ratio)} {_spread(one.cpu_ratio)}  {name:<46} {one.rate:>9,.0f} {one.rate_per_cpu:>9,.0f}"
        f" {one.p50_ms:>7.1f} {one.p99_ms:>7.1f} {one.p999_ms:>7.1f} {one.written:>7,.0f} {one.foreign:>8.2f}{noise}"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def compare(old: Report, new: Report) -> str:
    """The ratios of two runs side by side; a measure that only one has is left out."""
    before = {(one.suite, one.name): one for one in old.lines}
    words = [f"{'old':>19} {'new':>19} {'change':>7}  measure"]
    for one in new.lines:
        was = before.get((one.suite, one.name))
        if was is None:
            continue
        if was.ratio and one.ratio:
            change = one.ratio.median / was.ratio.median if was.ratio.median else 0.0
            words.append(
                f"{was.ratio!s:>19} {one.ratio!s:>19} {change:>6.2f}x  {one.suite}: {one.name} / {one.against}"
            )
        else:
            change = one.rate / was.rate if was.rate else 0.0
            words.append(f"{was.rate:>14,.0f} ev/s {one.rate:>14,.0f} ev/s {change:>6.2f}x  {one.suite}: {one.name}")
    return "\n".join(words)


def _spread(ratio: Spread | None) -> str:
    return f"{'' if ratio is None else str(ratio):>19}"
