"""Which words an error gets, what omitting takes, and which rule a call is held against."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.plans import ALLOW_ALL, Effort, Plan, Policy, Verdict, check, read_plan

OMIT = Policy(violations="omit", common_violations="omit", unplanned_properties="allow")


def plan_of(*rules: dict[str, Any]) -> Plan:
    return read_plan([("plan.json", json.dumps(list(rules)).encode())])


def track(properties: Any, draft: str = "", **more: Any) -> dict[str, Any]:
    """A rule for the event E whose properties have this schema."""
    schema = {"properties": {"properties": properties}, **({"$schema": draft} if draft else {})}
    return {"type": "TRACK", "key": "E", "version": 1, "jsonSchema": schema, **more}


def checked(plan: Plan, properties: Any, policy: Policy = ALLOW_ALL, **more: Any) -> Verdict:
    call = {"type": "track", "event": "E", "properties": properties, "context": {}, **more}
    return check(plan, policy, "track", call)


def found(schema: Any, properties: Any) -> list[tuple[str, str]]:
    return [(one.type, one.field) for one in checked(plan_of(track(schema)), properties).violations]


@pytest.mark.parametrize(
    ("schema", "value", "type"),
    [
        ({"const": 1}, 2, "Invalid Value"),
        ({"format": "email"}, "x", "Invalid Format"),
        ({"format": "uuid"}, "x", "Invalid Format"),
        ({"format": "date"}, "2026-13-01", "Invalid Format"),
        ({"minimum": 3}, 2, "Out Of Range"),
        ({"exclusiveMaximum": 3}, 3, "Out Of Range"),
        ({"multipleOf": 2}, 3, "Out Of Range"),
        ({"minLength": 2}, "x", "Out Of Range"),
        ({"maxItems": 1}, [1, 2], "Out Of Range"),
        ({"minProperties": 1}, {}, "Out Of Range"),
        ({"uniqueItems": True}, [1, 1], "Rule"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "Rule"),
        ({"not": {}}, 1, "Rule"),
        (False, 1, "Rule"),
        ({"allOf": [{"type": "string"}]}, 1, "Invalid Type"),
        ({"if": {}, "then": {"minimum": 3}}, 1, "Out Of Range"),
    ],
    ids=str,
)
def test_each_kind_of_error_has_its_type(schema: Any, value: Any, type: str) -> None:
    assert found({"properties": {"x": schema}}, {"x": value}) == [(type, "properties.x")]


def test_no_word_of_the_library_is_noted() -> None:
    [violation] = checked(plan_of(track({"properties": {"x": False}})), {"x": 1}).violations
    assert violation.description == "the plan permits nothing here"


@pytest.mark.parametrize("format", ["time", "iri", "regex", "credit-card"])
def test_other_formats_mean_nothing(format: str) -> None:
    assert found({"properties": {"x": {"format": format}}}, {"x": "("}) == []


def test_each_superfluous_name_is_a_violation_of_its_own_and_omitting_takes_it() -> None:
    plan = plan_of(track({"properties": {"a": {}}, "additionalProperties": False}))
    verdict = checked(plan, {"a": 1, "b": 2, "c": 3}, OMIT)
    assert [(one.type, one.field) for one in verdict.violations] == [
        ("Additional Property", "properties.b"),
        ("Additional Property", "properties.c"),
    ]
    assert verdict.omitted_on_violation == ["b", "c"]


@pytest.mark.parametrize(
    ("schema", "type"),
    [
        ({"additionalProperties": False}, "Additional Property"),
        ({"unevaluatedProperties": False}, "Additional Property"),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, "Additional Property"),
        ({"propertyNames": False}, "Rule"),
        ({"propertyNames": {"pattern": "^x"}}, "Rule"),
    ],
    ids=str,
)
def test_whichever_way_names_are_refused_each_is_told_and_taken(schema: Any, type: str) -> None:
    verdict = checked(plan_of(track(schema, "https://json-schema.org/draft/2020-12/schema")), {"b": 1, "c": 2}, OMIT)
    assert [(one.type, one.field) for one in verdict.violations] == [(type, "properties.b"), (type, "properties.c")]
    assert verdict.omitted_on_violation == ["b", "c"]


def test_an_error_of_the_call_itself_is_at_the_root() -> None:
    plan = plan_of({"type": "COMMON", "key": "", "version": 1, "jsonSchema": {"maxProperties": 1}}, track({}))
    assert [(one.type, one.field) for one in checked(plan, {}).violations] == [("Out Of Range", "(root)")]


def test_several_permitted_types_are_told_in_brackets() -> None:
    plan = plan_of(track({"properties": {"x": {"type": ["string", "null"]}}}))
    [violation] = checked(plan, {"x": True}).violations
    assert violation.description == "Invalid type. Expected: [null,string], given: boolean"


def test_a_value_is_never_noted() -> None:
    schema = {
        "properties": {"x": {"enum": ["a"]}, "y": {"pattern": "^a$"}, "z": {"format": "email"}, "w": {"type": "null"}}
    }
    verdict = checked(plan_of(track(schema)), dict.fromkeys("wxyz", "private"))
    assert len(verdict.violations) == 4
    assert "private" not in str(verdict)


def test_a_dot_in_a_name_does_not_lead_omitting_astray() -> None:
    plan = plan_of(track({"properties": {"a.b": {"type": "string"}}}))
    call: dict[str, Any] = {"type": "track", "event": "E", "properties": {"a.b": 1, "a": {"b": 2}}, "context": {}}
    check(plan, OMIT, "track", call)
    assert call["properties"] == {"a": {"b": 2}}


def test_of_a_list_in_a_list_the_outermost_goes_and_an_emptied_object_stays() -> None:
    schema = {"properties": {"o": {"properties": {"l": {"items": {"items": {"type": "string"}}}}}}}
    call: dict[str, Any] = {"type": "track", "event": "E", "properties": {"o": {"l": [["a"], [1]]}}, "context": {}}
    verdict = check(plan_of(track(schema)), OMIT, "track", call)
    assert verdict.omitted_on_violation == ["o.l"]
    assert call["properties"] == {"o": {}}


def test_nothing_outside_properties_and_traits_is_ever_taken() -> None:
    common = {"properties": {"userId": {"type": "integer"}, "context": {"properties": {"ip": {"type": "integer"}}}}}
    plan = plan_of({"type": "COMMON", "key": None, "version": 1, "jsonSchema": common}, track({"type": "null"}))
    verdict = checked(plan, {"a": 1}, OMIT, userId="u1", context={"ip": "::1"})
    assert [one.field for one in verdict.violations] == ["properties", "context.ip", "userId"]
    assert verdict.taken == []


@pytest.mark.parametrize("draft", ["draft-04", "draft-06", "draft-07", "2019-09", "2020-12"])
def test_two_point_nought_is_an_integer_and_formats_are_asserted_in_every_draft(draft: str) -> None:
    url = (
        f"http://json-schema.org/{draft}/schema#"
        if draft.startswith("d")
        else f"https://json-schema.org/draft/{draft}/schema"
    )
    plan = plan_of(
        track({"properties": {"n": {"type": "integer"}, "d": {"format": "date"}, "u": {"format": "uuid"}}}, url)
    )
    assert checked(plan, {"n": 2.0}).violations == []
    assert len(checked(plan, {"n": 2.5, "d": "x", "u": "x"}).violations) == 3


def test_names_that_a_pattern_a_reference_or_an_allof_lists_are_planned() -> None:
    rule = track({"$ref": "#/definitions/p"})
    rule["jsonSchema"]["definitions"] = {
        "p": {"properties": {"a": {}}, "allOf": [{"properties": {"b": {}}}], "patternProperties": {"^x_": {}}}
    }
    verdict = checked(plan_of(rule), {"a": 1, "b": 1, "x_1": 1, "other": 1}, Policy(unplanned_properties="omit"))
    assert verdict.omitted == ["other"]


def test_a_page_goes_by_its_name_then_by_the_rule_of_all_pages_then_by_page_viewed() -> None:
    def required(name: str) -> dict[str, Any]:
        return {"properties": {"properties": {"required": [name]}}}

    named = {"type": "PAGE", "key": "Home", "version": 1, "jsonSchema": required("by_name")}
    every = {"type": "PAGE", "key": None, "version": 1, "jsonSchema": required("by_kind")}
    viewed = {"type": "TRACK", "key": "Page Viewed", "version": 1, "jsonSchema": required("by_viewed")}
    call = {"type": "page", "name": "Home", "properties": {}, "context": {}}
    fields = []
    for rules in ([named, every, viewed], [every, viewed], [viewed]):
        verdict = check(plan_of(*rules), ALLOW_ALL, "page", dict(call))
        fields += [one.field for one in verdict.violations]
    assert fields == ["properties.by_name", "properties.by_kind", "properties.by_viewed"]
    assert check(plan_of(track({})), ALLOW_ALL, "screen", {**call, "type": "screen"}).says_nothing


@pytest.mark.parametrize(("asked", "version"), [(2, 2), (2.0, 2), ("2", 1), (True, 1), (3, 1), (None, 1), ([2], 1)])
def test_an_unusable_version_means_the_oldest(asked: Any, version: int) -> None:
    plan = plan_of(track({}, version=2), track({}))
    rule = plan.rule_for("track", {"event": "E", "context": {"protocols": {"event_version": asked}}})
    assert rule is not None
    assert rule.version == version


def test_the_violations_noted_of_one_call_are_bounded_and_all_of_them_are_omitted() -> None:
    plan = plan_of(track({"additionalProperties": False}))
    verdict = checked(plan, {f"p{n}": n for n in range(500)}, OMIT)
    assert len(verdict.violations) == 100
    assert len(verdict.taken) == 500


def test_once_the_effort_of_a_request_is_spent_one_violation_is_noted_and_omit_blocks() -> None:
    plan = plan_of(track({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}}))
    effort, call = Effort(2), {"type": "track", "event": "E", "properties": {"a": 1, "b": 1}, "context": {}}
    verdicts = [check(plan, OMIT, "track", {**call, "properties": {"a": 1, "b": 1}}, "", effort) for _ in range(2)]
    assert [(len(one.violations), len(one.taken), one.is_blocked) for one in verdicts] == [(2, 2, False), (1, 0, True)]
    assert check(plan, OMIT, "track", {**call, "properties": {"a": "x"}}, "", effort).says_nothing
