"""The part of PromQL that the rules use, on small tapes; where promtool is there, Prometheus itself says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitoring import promtool
from tests.monitoring.promql import parse
from tests.monitoring.rules import Rule
from tests.monitoring.tape import EVERY_S, Labels, Matcher, Page, Tape, read

NOBODY: Labels = frozenset()


def of(**labels: str) -> Labels:
    return frozenset(labels.items())


def page(**values: float) -> Page:
    """`a`: without labels."""
    return {name: {NOBODY: value} for name, value in values.items()}


TEXT = """
# TYPE requests counter
requests_total{source="web",code="200"} 10
requests_total{source="web",code="503"} 2
requests_total{source="app",code="503"} 3
# TYPE up gauge
up 1
"""


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("up", {NOBODY: 1}),
        ("up > 1", {}),
        ("up * 3 - 1", {NOBODY: 2}),
        ("1 - 2 * 2", -3),
        ("(1 - 2) * 2", -2),
        ('requests_total{code="200"}', {of(source="web", code="200"): 10}),
        ('requests_total{code!="200",source="app"}', {of(source="app", code="503"): 3}),
        ('sum(requests_total{code=~"5.."})', {NOBODY: 5}),
        ('sum by (source) (requests_total{code!~"2.."})', {of(source="web"): 2, of(source="app"): 3}),
        ('requests_total{code="503"} > 2', {of(source="app", code="503"): 3}),
        ('requests_total > 5 and on (source) requests_total{code="503"}', {of(source="web", code="200"): 10}),
        ('requests_total > 5 and on (source) requests_total{source="app"}', {}),
        ("absent(down)", {NOBODY: 1}),
        ("absent(up)", {}),
        ('requests_total{gone=""} == 10', {of(source="web", code="200"): 10}),
    ],
)
def test_expressions(expression: str, found: object) -> None:
    assert parse(expression)(Tape([read(TEXT)]), 0.0) == found


def test_a_counter_that_was_set_back_has_grown_by_what_it_has_now() -> None:
    tape = Tape([page(a=n) for n in (1, 5, 2, 2)])
    assert parse("increase(a[5m])")(tape, tape.end) == {NOBODY: 6}
    assert parse("rate(a[1m])")(tape, tape.end) == {NOBODY: 2 / 60}
    assert parse("changes(a[5m])")(tape, tape.end) == {NOBODY: 2}


def test_one_value_is_no_increase() -> None:
    assert parse("increase(a[5m])")(Tape([page(), page(a=7)]), EVERY_S) == {}


@pytest.mark.parametrize("expression", ["up >", "up up", "avg(up)", "up{a=b}", "sum by source (up)", "up[5x]", "3 ? 4"])
def test_what_is_not_known_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"known|expected"):
        parse(expression)


def test_a_label_that_is_not_there_is_empty() -> None:
    assert Matcher("a", "=", "").fits(NOBODY)
    assert not Matcher("a", "!=", "").fits(NOBODY)
    assert Matcher("a", "=~", "b|").fits(NOBODY)


# ---------------------------------------------------------------- rules

RULE = Rule("Hot", "process_heat > 5", 120, {}, {})


def fired(rule: Rule, tape: Tape, folder: Path) -> int:
    """How often it fires; promtool must agree."""
    found = len(rule.firing(tape))
    if promtool.PROMTOOL is not None:
        promtool.check(rule, tape, found, folder)
    return found


GROWS = Rule("Grows", "sum(increase(process_heat[5m])) > 0", 0, {}, {})


def heat(n: float) -> Page:
    return {"process_heat": {NOBODY: n}}


@pytest.mark.parametrize(
    ("pages", "fires"),
    [
        ([(1, 600), (9, 90)], 0),
        ([(1, 600), (9, 180)], 1),
        ([(9, 90), (1, 30), (9, 90)], 0),
        ([(9, 600), (1, 30)], 0),
    ],
)
def test_a_rule_fires_once_it_was_true_for_its_time_without_a_break(
    pages: list[tuple[float, float]], fires: int, tmp_path: Path
) -> None:
    tape = Tape()
    for value, seconds in pages:
        tape = tape.laid(heat(value), seconds)
    assert fired(RULE, tape, tmp_path) == fires


def test_a_series_that_is_gone_fires_no_more(tmp_path: Path) -> None:
    tape = Tape().laid(heat(9), 600)
    assert fired(RULE, tape, tmp_path) == 1
    assert fired(RULE, tape.laid({}, 30), tmp_path) == 0


@pytest.mark.parametrize(("after_s", "fires"), [(60, 1), (600, 0)])
def test_what_grew_is_forgotten_after_the_range(after_s: float, fires: int, tmp_path: Path) -> None:
    tape = Tape().laid(heat(1), 600).laid(heat(3), after_s)
    assert fired(GROWS, tape, tmp_path) == fires
