"""`report`: what each tool got in a span of time, what was lost and why, as CSV and PNG."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.endpoint import NOT_YET, Failed, locate, store_file
from router.cli.lazy import lazy
from router.cli.options import Common, asks
from router.cli.output import say, say_json, warn
from router.clock import SystemClock
from router.extras import pip_install

if TYPE_CHECKING:
    from router.admin import series
    from router.admin.series import Bucket
    from router.config import units
    from router.counts import Counted, Counts
    from router.report import pictures, tables
    from router.store.sqlite import queries
else:
    pictures = lazy("router.report.pictures")
    queries = lazy("router.store.sqlite.queries")
    series = lazy("router.admin.series")
    tables = lazy("router.report.tables")
    units = lazy("router.config.units")

HOUR_S, MOST_S = 3600, 90 * 86_400
MOST_POINTS = 200

Span = Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back, e.g. 24h, 7d or 30d; at most 90d.")]
Out = Annotated[
    Path, typer.Option("--out", metavar="FOLDER", help="Where the files go. It is made if it is not there.")
]


@asks
def report(common: Common, out: Out, since: Span = "7d") -> None:
    """Write CSV and PNG files: what arrived, what was lost, and why.

    summary.csv has a row for each number and reason, hours.csv one for each hour, and a PNG shows each destination over time. It reads
    the store, so the daemon may be down; what a running one counted in this minute is missing. After a `restore`, what was counted
    since the backup is missing, and what is delivered again is counted again. PNG needs the package pillow.

    Examples:
        report --out report
        report --since 30d --out /tmp/november
    """
    if common.url is not None:
        raise typer.BadParameter("reads the store itself: run it on the machine of the store", param_hint="--url")
    length_s = _length(since)
    now_ms = SystemClock().now_ms()
    period = _period(length_s)
    store = store_file(locate(common.config), NOT_YET)
    if not store.exists():
        raise Failed(f"there is no store at {store}: nothing was counted yet")
    buckets: list[Bucket] = asyncio.run(_read(store, series.begin_ms(period, now_ms)))
    totals = tables.by_name(buckets)
    written = _write_tables(out, buckets, totals)
    missing = ""
    try:
        written += _write_pictures(out, since, buckets, totals, period, now_ms)
    except ImportError:
        missing = f"no PNG: the package pillow is not installed; {pip_install('report')}, then run this again"
    if common.as_json:
        say_json({"files": [str(file) for file in written], "missing": missing})
    else:
        _show(totals, written, since)
    if missing:
        warn(missing)


def _length(since: str) -> int:
    try:
        length_s = int(units.parse_duration(since))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None
    if not HOUR_S <= length_s <= MOST_S:
        raise typer.BadParameter("from 1h to 90d: counts by hour are kept for 90 days", param_hint="--since")
    return length_s


def _period(length_s: int) -> series.Period:
    """Points of whole hours, as many as a picture can show."""
    hours = -(-length_s // HOUR_S)
    step = next(step for step in (1, 2, 3, 4, 6, 12) if hours // step <= MOST_POINTS)
    return series.Period(-(-hours // step) * step * HOUR_S, step * HOUR_S, HOUR_S)


async def _read(store: Path, since_ms: int) -> list[Bucket]:
    async with queries.open_queries(store) as questions:
        found: list[Bucket] = await questions.counted(HOUR_S, since_ms)
        return [bucket for bucket in found if bucket[1].kind in series.NUMBERS]


def _write_tables(out: Path, buckets: list[Bucket], totals: dict[Counted, Counts]) -> list[Path]:
    try:
        out.mkdir(parents=True, exist_ok=True)
        files = {out / "summary.csv": tables.summary(totals), out / "hours.csv": tables.hourly(buckets)}
        for file, rows in files.items():
            file.write_text(tables.as_csv(rows), encoding="utf-8")
    except OSError as error:
        raise Failed(f"{out}: cannot be written ({error.strerror}); name another folder with --out") from None
    return list(files)


def _write_pictures(
    out: Path, since: str, buckets: list[Bucket], totals: dict[Counted, Counts], period: Any, now_ms: int
) -> list[Path]:
    written = []
    for whom, counts in totals.items():
        own = series.series([bucket for bucket in buckets if bucket[1] == whom], period, now_ms)
        panels = pictures.OF_SOURCE if whom.kind == "source" else pictures.OF_DESTINATION
        picture = pictures.draw(f"{whom.name}, the last {since}", panels, own, tables.lost(counts))
        file = out / f"{whom.kind}-{whom.name}.png"
        file.write_bytes(picture)
        written.append(file)
    return written


def _show(totals: dict[Counted, Counts], written: list[Path], since: str) -> None:
    if not totals:
        say(f"nothing was counted in the last {since}")
    for whom, counts in totals.items():
        got = counts.n.get("accepted" if whom.kind == "source" else "delivered", 0)
        say(f"{whom.kind} {whom.name}: {got:,} {'accepted' if whom.kind == 'source' else 'delivered'}")
        for line in tables.lost(counts):
            say(f"  {line}")
    say("", *(f"wrote {file}" for file in written))
