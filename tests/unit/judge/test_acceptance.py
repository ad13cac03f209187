"""What acceptance opens of a call for its tracking plan serves the directory and the destinations too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router import directory
from router.event import Call, normalize_event
from router.judge import Forwarder, Judge, SourcePlan, SourcePlans, ViolationReport
from router.plans import Policy, read_plan
from router.store.log_cache import LogCache

RULE = {"properties": {"properties": {"type": "object", "properties": {"n": {"type": "integer"}}}}}
PLAN = {"rules": [{"type": "TRACK", "key": "E", "version": 1, "jsonSchema": RULE}]}


@pytest.fixture
def judge() -> Judge:
    plan = read_plan([("plan.json", json.dumps(PLAN).encode())])
    plans = SourcePlans([SourcePlan("web", plan, {"track": Policy(violations="omit")})])
    report = ViolationReport(lambda: 0, lambda *names, **fields: None, lambda *labels: None)
    return Judge(plans, Forwarder(lambda: 0, lambda *labels: None), report)


def call(type: str = "track", **fields: Any) -> Call:
    body = {"type": type, "userId": "u", "event": "E", "timestamp": "2026-01-02T03:04:05Z", **fields}
    return Call("web", type, "m1", "u:u", 1_767_323_045_678, b"{}\n" + json.dumps(body).encode())


def test_a_call_that_fits_is_opened_once_for_the_plan_and_for_whoever_reads_it(judge: Judge) -> None:
    [kept] = judge.judged([call(properties={"n": 1})])
    assert kept.opened == normalize_event(kept.source, kept.type, kept.message_id, kept.received_at, kept.body)
    cache = LogCache()
    cache.add([kept], [1], len(kept.body))
    [row] = cache.read(0, 9, 9_999) or []
    assert row.opened is kept.opened


def test_the_directory_does_not_open_it_again(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    [kept] = judge.judged([call("identify", traits={"email": "a@x.io"})])
    monkeypatch.setattr(directory, "normalize_event", None)
    told = directory.facts(kept)
    assert told is not None
    assert told.user_traits == {"email": "a@x.io"}


@pytest.mark.parametrize(
    "fields",
    [{"properties": {"n": "x"}}, {"event": "Other"}, {"timestamp": "yesterday"}],
    ids=["a violation", "unplanned", "a time that was mended"],
)
def test_a_call_with_anything_to_be_told_of_it_is_opened_by_whoever_tells_it(
    judge: Judge, fields: dict[str, Any]
) -> None:
    [kept] = judge.judged([call(**fields)])
    assert kept.opened is None


def test_what_one_call_had_mended_says_nothing_of_the_next(judge: Judge) -> None:
    first, second = judge.judged([call(timestamp="yesterday"), call(properties={"n": 1})])
    assert first.opened is None
    assert second.opened is not None
