"""Stored calls against a plan: each is checked once, and what it does not list is told whatever the policy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.event import Call
from router.judge import source_plans
from router.judge.trial import Trial
from router.plans import Policy, read_plan
from router.plans.check import check

INNER = {"type": "object", "properties": {"n": {"type": "integer"}, "extra": False}}
RULE = {"properties": {"properties": INNER}}
PLAN = {"rules": [{"type": "TRACK", "key": "E", "version": 1, "jsonSchema": RULE}]}


def call(message_id: str, **properties: Any) -> Call:
    body = {"type": "track", "userId": "u", "event": "E", "properties": properties}
    return Call("web", "track", message_id, "u:u", 0, b"{}\n" + json.dumps(body).encode())


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        (Policy(), "allowed"),
        (Policy(unplanned_properties="omit"), "omitted"),
        (Policy(violations="omit"), "omitted"),
        (Policy(violations="block"), "blocked"),
    ],
)
def test_what_is_found_is_the_same_whatever_becomes_of_it(
    monkeypatch: pytest.MonkeyPatch, policy: Policy, result: str
) -> None:
    checked: list[str] = []

    def counted(*args: Any) -> Any:
        checked.append(args[2])
        return check(*args)

    monkeypatch.setattr(source_plans, "check", counted)
    trial = Trial(read_plan([("plan.json", json.dumps(PLAN).encode())]), {"web": {"track": policy}})
    trial.add(call("m1", n="one", other=2))
    found = trial.describe()
    kinds = {(one["type"], one["field"]) for one in found["items"]}
    assert kinds == {("Invalid Type", "properties.n"), ("Unplanned Property", "properties.other")}
    assert (found["results"][result], checked) == (1, ["track"])
