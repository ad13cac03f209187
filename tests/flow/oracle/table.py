"""The result of a run, with the machine it ran on, as a table."""

from __future__ import annotations

import os
import platform
import sqlite3
from pathlib import Path

from router.bench.measure import sync_ms
from tests.flow.oracle.story import Result

SHOWN = 20


def machine(folder: Path) -> str:
    """What may change the figures, in words."""
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, load average {load}, Python {platform.python_version()}, SQLite"
        f" {sqlite3.sqlite_version}, a sync of the disk takes {sync_ms(folder):.2f} ms"
    )


def table(result: Result, conditions: str) -> str:
    """Markdown; the first violations below it."""
    plan = result.plan
    rows = {
        "form": f"seed {plan.seed}, {plan.users:,} users, up to {plan.batch} events a request, up to {plan.pack} items a request",
        "kills (SIGKILL)": f"{result.kills:,}",
        "stops (SIGTERM), reloads, replays": f"{result.stops}, {result.reloads}, {result.replays}",
        "obligations (events answered 200)": f"{result.obligations:,}",
        "events sent again, their request was cut": f"{result.repeated:,}",
        "events received": _each(result.received),
        "of these duplicates": _each(result.duplicates),
        "dead (refused for good)": f"{result.dead:,}",
        "violations": f"{len(result.violations):,}" if result.whole else "not compared yet",
        "duration": f"{result.seconds / 60:.1f} min",
        "peak memory of the daemon": f"{result.peak_mb:.0f} MB",
        "machine": conditions,
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    return "\n".join([*lines, "", *result.violations[:SHOWN]])


def _each(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())
