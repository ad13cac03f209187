"""The table of measures: its arithmetic, its words, its plots. Nothing runs here."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.bench import command, main
from router.bench.command import SUITES, TABLE, list_suites
from router.bench.measure import Spread, pairs, percentile, ratios, spread
from router.bench.plan import Outcome, in_turn
from router.bench.plot import draw
from router.bench.report import Curve, Line, Measure, Point, Report, curve, line, measure
from router.bench.show import compare, show
from router.bench.targets import TARGETS, Target
from router.bench.whole import further_share
from tests.unit.bench.runs import conditions, loaded


def report(**changes: Any) -> Report:
    return Report(conditions(), **changes)


# ---------------------------------------------------------------- arithmetic


def test_ratios_are_of_pairs() -> None:
    """Both sides of a pair may be slow: their ratio says so, that of the medians would not."""
    assert ratios([10, 50, 30], [20, 100, 30]) == Spread(0.5, 0.5, 1.0)


def test_ratios_want_complete_pairs() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0], [1.0, 2.0])


def test_a_reference_of_nothing_gives_nothing() -> None:
    assert pairs([5.0], [0.0]) == [0.0]


def test_a_spread_reads_median_first() -> None:
    assert str(spread([3.0, 1.0, 2.0])) == "2.00 [1.00..3.00]"


@pytest.mark.parametrize(("share", "want"), [(0.0, 0), (0.5, 50), (0.99, 99), (1.0, 99)])
def test_percentiles_are_samples(share: float, want: int) -> None:
    assert percentile(range(100), share) == want


def test_the_percentile_of_nothing_is_zero() -> None:
    assert percentile([], 0.5) == 0.0


def test_sides_change_places_every_round() -> None:
    assert [in_turn(["a", "b"], number) for number in range(3)] == [["a", "b"], ["b", "a"], ["a", "b"]]


def test_a_further_destination_is_set_against_what_the_first_one_adds_to_ingestion() -> None:
    """Ingestion 20, the first destination 10 more, five of them 30 more: each further one is half of the first."""
    assert further_share(ingest=20.0, one=30.0, many=50.0, destinations=5) == 0.5


def test_a_first_destination_that_costs_nothing_gives_nothing() -> None:
    assert further_share(ingest=20.0, one=20.0, many=50.0, destinations=5) == 0.0


@pytest.mark.parametrize(("value", "verdict"), [(0.5, "below"), (0.6, "must"), (0.79, "must"), (0.8, "stretch")])
def test_a_figure_is_judged_where_more_is_better(value: float, verdict: str) -> None:
    assert Target("x", "x", must=0.6, stretch=0.8).verdict(value) == verdict


@pytest.mark.parametrize(("value", "verdict"), [(2.1, "below"), (2.0, "must"), (1.3, "stretch"), (1.0, "stretch")])
def test_a_figure_is_judged_where_less_is_better(value: float, verdict: str) -> None:
    assert Target("x", "x", must=2.0, stretch=1.3, lower_is_better=True).verdict(value) == verdict


def test_the_points_of_a_curve_are_in_order_with_the_median_of_each_part() -> None:
    found = curve(
        "load", "x", "y", {2.0: [(10.0, 1.0, 3.0)], 1.0: [(10.0, 1.0, 2.0), (30.0, 3.0, 4.0), (20.0, 2.0, 9.0)]}
    )
    assert [point.x for point in found.points] == [1.0, 2.0]
    assert found.points[0] == Point(1.0, Spread(20.0, 10.0, 30.0), Spread(2.0, 1.0, 3.0), Spread(4.0, 2.0, 9.0))


# ---------------------------------------------------------------- words


def test_the_table_has_every_measure_from_v1_to_v12() -> None:
    assert list(dict.fromkeys(id.rstrip("ab") for id in TARGETS)) == [f"V{number}" for number in range(1, 13)]
    assert {target.suite for target in TARGETS.values()} == set(TABLE)


def test_a_row_shows_figure_target_and_verdict() -> None:
    words = show(report(measures=[measure("V1", [0.9, 1.0, 1.2], client=0.2)]))
    assert "1.00 [0.90..1.20]" in words
    assert f"must     {TARGETS['V1'].name}" in words
    assert "nearly all of their core" not in words


def test_a_load_generator_that_may_be_the_limit_is_told() -> None:
    assert "nearly all of their core" in show(report(measures=[measure("V1", [1.0], client=0.95)]))


def test_noisy_runs_are_marked() -> None:
    one = line("store", "x", [loaded(foreign=0.5), loaded()], [loaded(events=200), loaded()], "y")
    assert (one.noisy, one.runs) == (1, 2)
    assert "noisy 1/2" in show(report(lines=[one]))


def test_the_table_says_what_is_missing() -> None:
    assert "NOT IN BALANCE  one event" in show(report(problems=["one event"]))


def test_a_comparison_shows_old_and_new_figure_of_each_row() -> None:
    old, new = (
        report(measures=[measure("V1", [ratio])], lines=[Line("store", "x", 1.0, 1.0, spread([ratio]), against="y")])
        for ratio in (0.2, 0.3)
    )
    words = compare(old, new)
    assert f"1.50x  V1 {TARGETS['V1'].name}" in words
    assert "1.50x  store: x / y" in words


def test_a_row_that_only_one_run_has_is_not_compared() -> None:
    words = compare(report(measures=[measure("V1", [1.0])]), report(measures=[measure("V2", [1.0])]))
    assert "V1" not in words
    assert "V2" not in words


def test_the_list_names_every_suite_with_its_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    words = capsys.readouterr().out
    assert words.strip() == list_suites()
    assert all(name in words for name in [*SUITES, *TARGETS])


def test_an_imbalance_is_exit_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Figures never decide the exit code, a lost event does."""
    lost = Outcome([Line("ingress", "x", 1.0, 1.0)], ["one event is missing"])
    monkeypatch.setattr(command, "SUITES", {"ingress": lambda plan: lost})
    assert main(["ingress", "--dir", str(tmp_path)]) == 1


def test_all_runs_the_suites_of_the_table_in_its_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where a figure is far below what it must be, that is no failure."""
    bad = [Measure(id, spread([0.0]), [0.0]) for id in TARGETS]

    def suite(name: str) -> Any:
        return lambda plan: Outcome(measures=[one for one in bad if TARGETS[one.id].suite == name])

    monkeypatch.setattr(command, "SUITES", {name: suite(name) for name in TABLE})
    file = tmp_path / "results.json"
    assert main(["all", "--quick", "--dir", str(tmp_path), "--json", str(file)]) == 0
    found = msgspec.json.decode(file.read_bytes(), type=Report)
    assert [one.id for one in found.measures] == list(TARGETS)


# ---------------------------------------------------------------- plots

LOAD = Curve(
    "load", "calls < a second", "answer",
    [Point(x, spread([x, 2 * x, 3 * x]), spread([1.0]), spread([x / 10, x])) for x in (0.0, 500.0, 50_000.0)],
)  # fmt: skip


def test_a_plot_is_an_svg_with_a_place_for_every_point() -> None:
    """Three points with throughput, p50 and p99; a name with a sign of XML is written as text."""
    root = ElementTree.fromstring(draw(LOAD))
    circles = [one for one in root.iter() if one.tag.endswith("circle")]
    assert len(circles) == 9
    assert all(0 <= float(one.attrib["cx"]) <= 640 for one in circles)
    assert "calls < a second" in [one.text for one in root.iter() if one.tag.endswith("text")]


def test_a_plot_of_equal_values_is_drawn() -> None:
    """An axis without any extent has no scale to divide by."""
    point = Point(1.0, spread([0.0]), spread([0.0]), spread([0.0]))
    assert ElementTree.fromstring(draw(Curve("x", "x", "y", [point]))) is not None


def test_plot_writes_a_file_for_each_curve_beside_the_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.json"
    file.write_bytes(msgspec.json.encode(report(curves=[LOAD])))
    assert main(["plot", str(file)]) == 0
    assert (tmp_path / "load.svg").read_text().startswith("<svg")
    assert "load.svg" in capsys.readouterr().out


def test_a_table_in_markdown_has_every_row_also_those_that_were_not_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.json"
    file.write_bytes(msgspec.json.encode(report(measures=[measure("V1", [0.9])])))
    assert main(["table", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(TARGETS)
    assert "0.90 [0.90..0.90] | must |" in lines[2]
    assert len({line.count(" |") for line in lines[2:]}) == 1


@pytest.mark.parametrize("verb", ["plot", "table"])
def test_without_a_file_it_says_what_it_needs(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb]) == 2
    assert "--json" in capsys.readouterr().err
