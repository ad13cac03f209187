"""What the server draws of a series."""

from __future__ import annotations

import pytest

from router.console.charts import lines_of, written


def test_a_line_goes_from_the_lower_edge_to_the_upper_one() -> None:
    assert lines_of([0, 5, 10], top=10, width=100, height=102) == ["0.0,101.0 50.0,51.0 100.0,1.0"]


def test_a_gap_in_the_values_is_a_gap_in_the_line() -> None:
    assert len(lines_of([1, 2, None, None, 3, 4], top=4)) == 2
    assert lines_of([None, None], top=0) == []


def test_a_value_between_two_gaps_can_be_seen() -> None:
    assert lines_of([None, 5, None], top=10, width=100, height=102) == ["48.0,51.0 52.0,51.0"]


def test_values_that_are_all_0_are_a_line_at_the_bottom() -> None:
    assert lines_of([0, 0], top=0, width=10, height=102) == ["0.0,101.0 10.0,101.0"]


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (1204, "events", "1,204"),
        (0.44, "s", "0.44 s"),
        (2, "s", "2 s"),
        (45.2, "s", "45 s"),
        (540, "s", "9 min"),
        (8000, "s", "2 h"),
    ],
)
def test_a_value_is_written_as_people_read_it(value: float, unit: str, words: str) -> None:
    assert written(value, unit) == words
