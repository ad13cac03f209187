"""docs/performance.md has the rows, targets and verbs that the benchmark has."""

from __future__ import annotations

import re

import msgspec

from router.bench.command import SUITES
from router.bench.plot import draw
from router.bench.report import Conditions, Report
from router.bench.show import markdown
from router.bench.targets import TARGETS
from tests.docs.pages import ROOT, rows, sections

PAGE = ROOT / "docs/performance.md"


def test_the_table_has_every_row_with_its_targets() -> None:
    """What was measured is the owner's to fill in; name, must and stretch are those that a run is judged by."""
    conditions = Conditions("0", "3", "3", {}, "", 1, "", "", 0.0, True, 1.0, 1)
    there = rows(sections(PAGE)["The table"])
    assert {id: cells[:4] for id, cells in there.items()} == {
        id: cells[:4] for id, cells in rows(markdown(Report(conditions))).items()
    }
    assert list(there) == list(TARGETS)


def test_the_figures_and_the_plots_are_those_of_the_committed_results() -> None:
    """`bench table` and `bench plot` make them from docs/bench/results.json."""
    report = msgspec.json.decode((ROOT / "docs/bench/results.json").read_bytes(), type=Report)
    assert rows(sections(PAGE)["The table"]) == rows(markdown(report))
    for curve in report.curves:
        assert (ROOT / f"docs/bench/{curve.name}.svg").read_text() == draw(curve), "run bench plot"


def test_every_measure_is_explained() -> None:
    words = sections(PAGE)["What a row is"]
    spans = [range(int(a), int(b) + 1) for a, b in re.findall(r"V(\d+) to V(\d+) \|", words)]
    named = {f"V{n}" for span in spans for n in span} | set(re.findall(r"V\d+", words))
    assert named >= {id.rstrip("ab") for id in TARGETS}


def test_the_suites_that_are_named_exist() -> None:
    named = re.findall(r"bench (\w+)", PAGE.read_text())
    assert set(named) <= {*SUITES, "all", "list", "plot", "table"}
