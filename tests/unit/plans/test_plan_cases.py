"""Every worked case, in both forms of the plan."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest

from router.plans import Plan, Policy, check, read_plan
from router.plans.check import container_of
from tests.unit.plans.plan_cases import CASES, PLAN, Case, in_older_form


def read(document: Any) -> Plan:
    return read_plan([("plan.json", json.dumps(document).encode())])


PLANS = {"A": read(PLAN), "B": read(in_older_form(PLAN))}


def policy_of(case: Case) -> Policy:
    """Pages and screens follow track."""
    kind = {"page": "track", "screen": "track"}.get(case.event["type"], case.event["type"])
    return Policy(**case.settings.get(kind, {}))  # type: ignore[arg-type]


@pytest.mark.parametrize("form", PLANS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.n}-{case.what}")
def test_a_case_comes_to_what_is_expected(case: Case, form: str) -> None:
    type, call = case.event["type"], copy.deepcopy(case.event)
    verdict = check(PLANS[form], policy_of(case), type, call)
    expected = case.expected
    assert ("block" if verdict.is_blocked else "pass") == expected["result"]
    assert [msgspec.structs.asdict(one) for one in verdict.violations] == expected["violations"]
    assert verdict.omitted == expected["omitted"]
    assert verdict.omitted_on_violation == expected["omitted_on_violation"]
    if expected["result"] == "pass":
        assert call.get(container_of(type)) == expected["sent"]


@pytest.mark.parametrize("case", [case for case in CASES if "version" in case.expected], ids=lambda case: str(case.n))
def test_a_call_is_held_against_the_version_that_is_expected(case: Case) -> None:
    rule = PLANS["A"].rule_for(case.event["type"], case.event)
    assert rule is not None
    assert rule.version == case.expected["version"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.n))
def test_what_a_verdict_takes_out_of_the_stored_call_is_what_the_check_took(case: Case) -> None:
    checked, stored = copy.deepcopy(case.event), {"context": {}, **copy.deepcopy(case.event)}
    verdict = check(PLANS["A"], policy_of(case), case.event["type"], checked, "web")
    container = container_of(case.event["type"])
    if verdict.says_nothing:
        assert checked == case.event
        return
    verdict.apply(stored, container)
    assert stored.get(container) == checked.get(container)
    assert stored["context"]["protocols"]["sourceId"] == "web"
