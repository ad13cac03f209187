"""The command line of the benchmark: which suites, how long, and what becomes of the numbers."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from router.bench.delivery import e2e
from router.bench.isolation import isolation
from router.bench.mapping import mapping
from router.bench.release import release
from router.bench.report import Report, compare, conditions, show
from router.bench.suites import Outcome, Plan, ingress, store

SUITES: Mapping[str, Callable[[Plan], Outcome]] = {
    "ingress": ingress, "store": store, "mapping": mapping, "e2e": e2e, "isolation": isolation, "release": release,
}  # fmt: skip
QUICK, FULL = (2.0, 3), (5.0, 7)
"""Seconds of a run, and rounds."""
QUICK_HELD, FULL_HELD = 50_000, 1_000_000


def main(argv: list[str]) -> int:
    """Run `bench`; the exit code is 1 when something was lost or does not add up, and never depends on a time."""
    options = _parser().parse_args(argv)
    seconds, rounds = QUICK if options.quick else FULL
    old = msgspec.json.decode(options.compare.read_bytes(), type=Report) if options.compare else None
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.dir) as folder:
        held = options.events or (QUICK_HELD if options.quick else FULL_HELD)
        plan = Plan(options.seconds or seconds, options.rounds or rounds, Path(folder), _tell, held)
        names = list(SUITES) if options.suite == "all" else [options.suite]
        report = measure(names, plan, quick=options.quick)
    print(show(report))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    if old is not None:
        print(f"\n{compare(old, report)}")
    return 1 if report.problems else 0


def measure(names: list[str], plan: Plan, *, quick: bool = False) -> Report:
    """Run these suites one after the other."""
    report = Report(conditions(plan.folder, quick=quick, seconds=plan.seconds, rounds=plan.rounds))
    for name in names:
        outcome = SUITES[name](plan)
        report.lines += outcome.lines
        report.problems += outcome.problems
    return report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="segment-router bench",
        description="Load a real daemon on a store of its own, beside a reference in the same run. Ratios first; ends with a"
        " check that nothing was lost.",
    )
    parser.add_argument("suite", choices=[*SUITES, "all"], help="what is measured")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 2 s in place of 7 of 5 s")
    parser.add_argument("--seconds", type=float, help="of one run")
    parser.add_argument("--rounds", type=int, help="how often each side runs")
    parser.add_argument(
        "--events", type=int, help="how many held events `release` lets go; a million, 50,000 with --quick"
    )
    parser.add_argument("--dir", type=Path, help="where the stores are made: the disk that is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    parser.add_argument("--compare", type=Path, metavar="OLD", help="a file written by --json: show old and new ratios")
    return parser


def _tell(words: str) -> None:
    print(f"... {words}", file=sys.stderr, flush=True)
