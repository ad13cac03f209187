"""The command line of the benchmark: which suites, how long, and what becomes of the numbers."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from router.bench.backlog import backlog
from router.bench.cluster import cluster
from router.bench.conditions import conditions, load_average
from router.bench.delivery import e2e
from router.bench.fanout import fanout
from router.bench.groups import groups
from router.bench.held import held
from router.bench.ingest import ingress, store
from router.bench.isolation import isolation
from router.bench.latency import latency
from router.bench.mapping import mapping
from router.bench.pages import pages
from router.bench.plan import Outcome, Plan
from router.bench.plot import draw
from router.bench.release import release
from router.bench.report import Report
from router.bench.show import compare, markdown, show
from router.bench.targets import EVERY
from router.bench.tracing import tracing
from router.bench.whole import whole

TABLE: Mapping[str, Callable[[Plan], Outcome]] = {
    "whole": whole, "ingress": ingress, "store": store, "fanout": fanout, "held": held, "backlog": backlog,
    "latency": latency, "groups": groups,
}  # fmt: skip
"""The suites that the table of measures is made from."""
SUITES = {
    **TABLE, "mapping": mapping, "e2e": e2e, "isolation": isolation, "release": release, "pages": pages, "tracing": tracing,
    "cluster": cluster,
}  # fmt: skip
QUICK, FULL = (1.5, 3), (3.0, 7)
"""Seconds of a run, and rounds."""
QUICK_SIZES = {"held": 50_000, "backlog": 100_000, "burst": 1_000, "drain": 3_000}
FULL_SIZES = {"held": 1_000_000, "backlog": 5_000_000, "burst": 5_000, "drain": 100_000}


def main(argv: list[str]) -> int:
    """Run `bench`; the exit code is 1 when something was lost or does not add up, and never depends on a time."""
    options = _parser().parse_args(argv)
    if options.suite == "list":
        print(list_suites())
        return 0
    if options.suite in ("plot", "table"):
        return _show_file(options)
    old = _read(options.compare) if options.compare else None
    keep = partial(_write, options.json) if options.json else lambda report: None
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.dir) as folder:
        report = measure(_names(options.suite), _plan(options, Path(folder)), keep, quick=options.quick)
    print(show(report))
    if old is not None:
        print(f"\n{compare(old, report)}")
    return 1 if report.problems else 0


def measure(
    names: list[str], plan: Plan, keep: Callable[[Report], None] = lambda report: None, *, quick: bool = False
) -> Report:
    """Run these suites one after the other. `keep` gets what there is after each of them."""
    report, order = Report(conditions(plan, quick=quick)), list(EVERY)
    for name in names:
        outcome = SUITES[name](plan)
        report.measures += outcome.measures
        report.lines += outcome.lines
        report.curves += outcome.curves
        report.problems += outcome.problems
        report.conditions.load_average = report.conditions.load_average[0], load_average()
        report.measures.sort(key=lambda one: order.index(one.id))
        keep(report)
    return report


def list_suites() -> str:
    """The suites, and what each of them measures."""
    words = []
    for name, suite in SUITES.items():
        words.append(f"{name:<10} {(suite.__doc__ or '').splitlines()[0]}")
        words += [f"{'':<10}   {id:<5} {one.name}" for id, one in EVERY.items() if one.suite == name]
    return "\n".join([*words, f"{'all':<10} The whole table: {', '.join(TABLE)}."])


def _names(suite: str) -> list[str]:
    return list(TABLE) if suite == "all" else [suite]


def _plan(options: argparse.Namespace, folder: Path) -> Plan:
    seconds, rounds = QUICK if options.quick else FULL
    sizes = QUICK_SIZES if options.quick else FULL_SIZES
    given = {"held": options.events, "backlog": options.backlog, "drain": options.events}
    sizes = {**sizes, **{name: n for name, n in given.items() if n}}
    return Plan(options.seconds or seconds, options.rounds or rounds, folder, _tell, **sizes)


def _show_file(options: argparse.Namespace) -> int:
    """What is made from a file of results."""
    file: Path | None = options.file
    if file is None:
        print(f"bench {options.suite}: name a file written by --json", file=sys.stderr)
        return 2
    report = _read(file)
    if options.suite == "table":
        print(markdown(report))
        return 0
    for curve in report.curves:
        path = (options.dir or file.parent) / f"{curve.name}.svg"
        path.write_text(draw(curve), encoding="utf-8")
        print(path)
    return 0


def _write(file: Path, report: Report) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def _read(file: Path) -> Report:
    return msgspec.json.decode(file.read_bytes(), type=Report)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help in the style of the other verbs."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, "Usage: ")


def _parser() -> argparse.ArgumentParser:
    command = os.environ.get("SEGMENT_ROUTER_COMMAND", "segment-router")
    parser = argparse.ArgumentParser(
        prog="segment-router bench",
        usage="segment-router bench [OPTIONS] SUITE [FILE]",
        description="Measure the router on this machine.\n\nLoads a real daemon on a store of its own, beside a reference in"
        " the same run.\nRatios first; ends with a check that nothing was lost.",
        epilog=f"Examples:\n  {command} bench list\n  {command} bench ingress --quick\n  {command} bench all --json all.json",
        formatter_class=_Help,
        add_help=False,
    )
    arguments, options = parser.add_argument_group("Arguments"), parser.add_argument_group("Options")
    arguments.add_argument(
        "suite",
        choices=[*SUITES, "all", "list", "plot", "table"],
        metavar="SUITE",
        help="What is measured; `list` tells what there is.",
    )
    arguments.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="Of `plot` and `table`: a file written by --json. `plot` draws SVG files beside it, or in --dir; `table` prints Markdown.",
    )
    options.add_argument(
        "--quick", action="store_true", help="3 rounds of 1.5 s in place of 7 of 3 s, and fewer events."
    )
    options.add_argument("--seconds", type=float, metavar="N", help="Of one run.")
    options.add_argument("--rounds", type=int, metavar="N", help="How often each side runs.")
    options.add_argument(
        "--events",
        type=int,
        metavar="N",
        help="How many held events `release` lets go (a million, 50,000 with --quick), `held` a twentieth of them; how many"
        " `cluster` drains (100,000, 3,000 with --quick).",
    )
    options.add_argument(
        "--backlog",
        type=int,
        metavar="N",
        help="How many events are in the log of `backlog` (5 million, 100,000 with --quick).",
    )
    options.add_argument(
        "--dir", type=Path, metavar="FOLDER", help="Where the stores are made: the disk that is measured."
    )
    options.add_argument("--json", type=Path, metavar="FILE", help="Write all numbers there.")
    options.add_argument(
        "--compare", type=Path, metavar="OLD", help="A file written by --json: show old and new beside each other."
    )
    options.add_argument("-h", "--help", action="help", help="Show this message and exit.")
    return parser


def _tell(words: str) -> None:
    print(f"... {words}", file=sys.stderr, flush=True)
