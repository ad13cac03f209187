"""The long form: `python -m tests.flow.soak --minutes 120 --rate 100 --result soak`. Exit code 1: an event was lost, or a measure is
not flat. The CSV file, the picture and the table are written after each look, so a soak that is ended early leaves them, too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from pathlib import Path

from tests.flow.oracle.table import machine
from tests.flow.soak.samples import write_csv
from tests.flow.soak.story import Plan, Result, run
from tests.flow.soak.verdict import judge, log_per_event, picture, table

PICTURE_EVERY = 6
"""Looks between two pictures: drawing one takes half a second."""


def main() -> int:
    """Run it as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tests.flow.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0, help="how long to send (120)")
    parser.add_argument("--rate", type=float, default=100.0, help="events a second (100)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (1)")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks (10)")
    parser.add_argument("--restarts", type=int, default=10, help="half of them by SIGKILL, half by SIGTERM (10)")
    parser.add_argument("--folder", help="where store and log are written, and stay (a temporary folder)")
    parser.add_argument("--result", default="soak", help="what the names of the three files begin with (soak)")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(given.folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        folder.mkdir(parents=True, exist_ok=True)
        conditions = machine(folder)
        plan = Plan(
            given.seed,
            events=int(60 * given.minutes * given.rate),
            rate=given.rate,
            every=max(1, int(given.every * given.rate)),
            restarts=given.restarts,
            tell=lambda result: _write(Path(given.result), result, conditions),
        )
        result = asyncio.run(run(folder, plan))
    print("\n".join(_words(result, conditions)))
    return 1 if result.violations or not all(one.is_flat for one in judge(result.samples)) else 0


def _write(path: Path, result: Result, conditions: str) -> None:
    write_csv(path.with_suffix(".csv"), result.samples)
    words = _words(result, conditions)
    path.with_suffix(".md").write_text("\n".join(words) + "\n", encoding="utf-8")
    if result.is_whole or len(result.samples) % PICTURE_EVERY == 0:
        title = f"{result.seconds / 60:.0f} minutes at {result.plan.rate:g} events a second"
        path.with_suffix(".png").write_bytes(picture(title, result.samples, _counts(result)))


def _words(result: Result, conditions: str) -> list[str]:
    """The counts, then the measures, as Markdown."""
    plan = result.plan
    rows = {
        "form": f"seed {plan.seed}, {plan.rate:g} events a second, {result.seconds / 60:.1f} min",
        "restarts (SIGKILL, SIGTERM), reloads, outages of a vendor": f"{result.kills}, {result.stops}, {result.reloads}, {result.outages}",
        "sent (answered 200)": f"{result.sent:,}",
        "of these sent again, their request was cut or refused": f"{result.repeated:,}",
        "delivered": _each(result.delivered),
        "duplicates": _each(result.duplicates),
        "lost": _each(result.lost) if result.is_whole else "not compared yet",
        "log": f"{log_per_event(result.samples):.0f} bytes for each event",
        "machine": conditions,
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    return [*lines, "", *table(judge(result.samples)), "", *result.violations]


def _counts(result: Result) -> list[str]:
    """What stands below the picture."""
    sent = f"sent {result.sent:,}; delivered {_each(result.delivered)}; duplicates {_each(result.duplicates)}"
    events = f"{result.kills} SIGKILL, {result.stops} SIGTERM, {result.reloads} reloads, {result.outages} outages of a vendor"
    return [sent, events, f"lost: {_each(result.lost)}" if result.is_whole else "it is not over"]


def _each(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


if __name__ == "__main__":
    sys.exit(main())
