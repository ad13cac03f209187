"""Every worked case, on the compiled filter."""

from __future__ import annotations

import pytest

from router.filters import FilterError, compile_condition
from tests.unit.filters.fql_cases import CASES, Case


@pytest.mark.parametrize("case", [case for case in CASES if not case.is_refused], ids=lambda case: str(case.n))
def test_an_expression_says_of_an_event_what_the_case_says(case: Case) -> None:
    assert compile_condition(case.expression)(case.event) is case.expected


@pytest.mark.parametrize("case", [case for case in CASES if case.is_refused], ids=lambda case: str(case.n))
def test_a_refused_expression_is_refused_with_the_code_of_the_case(case: Case) -> None:
    with pytest.raises(FilterError) as refused:
        compile_condition(case.expression)
    assert refused.value.code == case.expected["error"]


def test_there_are_cases_of_both_kinds() -> None:
    assert (len(CASES), sum(case.is_refused for case in CASES)) == (84, 11)
