"""The forms of a plan file, what must load, and what is refused with file, rule and JSON path."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from router.extras import pip_install
from router.plans import PlanError, loading, read_plan
from router.plans.loading import load_plan
from router.plans.plan import Plan
from tests.unit.plans.plan_cases import PLAN, in_older_form

GOOD = {"properties": {"properties": {"properties": {"a": {"type": "string"}}}}}


def rule(jsonSchema: Any = GOOD, **more: Any) -> dict[str, Any]:
    return {"type": "TRACK", "key": "E", "version": 1, "jsonSchema": jsonSchema, **more}


def read(*documents: Any) -> Plan:
    return read_plan([(f"{n}.json", json.dumps(document).encode()) for n, document in enumerate(documents)])


def refusals(*documents: Any) -> list[str]:
    with pytest.raises(PlanError) as refused:
        read(*documents)
    return refused.value.problems


def labels(plan: Plan) -> set[str]:
    return {one.label for one in plan.rules}


@pytest.mark.parametrize(
    "document",
    [{"data": {"rules": PLAN["rules"], "pagination": {}}}, PLAN, PLAN["rules"], in_older_form(PLAN)],
    ids=["page of the API", "plan", "list", "older form"],
)
def test_every_form_of_a_plan_has_the_same_rules(document: Any) -> None:
    assert labels(read(document)) == {
        'TRACK "Order Completed" version 1',
        'TRACK "Order Completed" version 2',
        'TRACK "Page Viewed" version 1',
        "IDENTIFY version 1",
        "GROUP version 1",
        "COMMON version 1",
    }


def test_a_plan_of_rudderstack_names_the_type_of_each_event() -> None:
    events = [
        {"name": "E", "eventType": "track", "rules": GOOD},
        {"name": "", "eventType": "identify", "rules": GOOD},
        {"name": "Home", "eventType": "page", "rules": GOOD},
    ]
    assert labels(read({"events": events})) == {'TRACK "E" version 1', "IDENTIFY version 1", 'PAGE "Home" version 1'}


def test_the_older_form_has_its_name_in_display_name_and_its_id_in_name() -> None:
    plan = read({"name": "workspaces/acme/tracking-plans/rs_1", "display_name": "Acme", "rules": {"events": []}})
    assert (plan.id, plan.name) == ("workspaces/acme/tracking-plans/rs_1", "Acme")


def test_a_plan_without_rules_is_warned_of() -> None:
    assert [one.split(",")[0] for one in read({"rules": []}).warnings] == ["0.json: it has no rules"]
    assert read({"rules": [rule()]}, {"rules": []}).warnings == []


def test_a_plan_of_several_pages_is_one_plan_with_the_name_of_the_first() -> None:
    plan = read({"id": "tp_1", "name": "Acme", "rules": [rule()]}, [rule(key="F")])
    assert (plan.id, plan.name, len(plan.rules)) == ("tp_1", "Acme", 2)


def test_the_oddities_of_live_plans_load() -> None:
    odd = {"properties": {"context": {}, "properties": {"properties": {"x": {"type": "string", "properties": {}}}}}}
    extras = {"labels": {}, "eventMetadata": {}, "id": "/properties/x", "description": ""}
    plan = read([rule(odd | extras), rule(GOOD, key="E\n"), rule(GOOD, type="COMMON", key="", deprecatedAt=None)])
    [warning] = plan.warnings
    assert warning.startswith("0.json: rule TRACK 'E\\n' at $[1]: the key begins or ends with white space")


@pytest.mark.parametrize("reference", ["http://example.com/a.json", "file:///etc/passwd", "other.json#/a"])
def test_nothing_is_ever_fetched_and_the_refusal_names_rule_and_path(reference: str) -> None:
    [problem] = refusals([rule({"properties": {"properties": {"$ref": reference}}})])
    assert problem.startswith("0.json: rule TRACK 'E' at $[0].jsonSchema.properties.properties.$ref: $ref to ")
    assert reference in problem
    assert "nothing is fetched" in problem


DRAFT_2020 = {"$schema": "https://json-schema.org/draft/2020-12/schema"}


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        (
            {"definitions": {"a": {"$id": "#a"}}, "properties": {"x": {"$ref": "#a"}}},
            ".properties.x.$ref: $ref to '#a'",
        ),
        (
            {**DRAFT_2020, "$dynamicAnchor": "n", "items": {"$dynamicRef": "#n"}},
            ".items.$dynamicRef: $dynamicRef to '#n'",
        ),
        (
            {"properties": {"x": {"$id": "http://x.test/x", "items": {"$ref": "#/items"}}}},
            ".properties.x: a part with an id",
        ),
        ({"$id": "http://x.test/x", "items": {"$ref": "http://x.test/x#/definitions/a"}}, ".items.$ref: $ref to 'http"),
    ],
    ids=["an anchor", "a dynamic one", "an id inside", "an address of its own"],
)
def test_a_reference_that_names_no_place_is_refused(schema: dict[str, Any], place: str) -> None:
    """What they lead to could be as expensive as any schema, and would not be seen."""
    [problem] = refusals([rule(schema)])
    assert f"at $[0].jsonSchema{place}" in problem


def test_a_property_may_have_the_name_of_a_keyword() -> None:
    named = {name: {"type": "string"} for name in ("$ref", "$id", "enum", "default", "definitions")}
    assert read([rule({"properties": {"properties": {"properties": named}}})]).rules


@pytest.mark.parametrize("pattern", ["(?=a)b", "(?<!a)b", r"(a)\1", "("])
def test_a_pattern_with_look_around_is_refused(pattern: str) -> None:
    [problem] = refusals([rule({"properties": {"x": {"pattern": pattern}}})])
    assert "at $[0].jsonSchema.properties.x.pattern: " in problem
    assert "look-around" in problem


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (rule({"properties": {"x": {"type": "text"}}}), "at $[0].jsonSchema.properties.x.type: 'text' is no type"),
        (rule({"properties": {"x": {"type": ["string", 5]}}}), "x.type"),
        (
            rule({"$schema": "http://example.com/own"}),
            "at $[0].jsonSchema.$schema: no draft of JSON Schema has this name",
        ),
        (rule({"$ref": "#/definitions/none"}), "correct the reference"),
        (rule("x"), "at $[0].jsonSchema: not a JSON Schema"),
        (rule(type="SALE"), "at $[0].type: not a kind of rule"),
        (rule(version="1"), "at $[0].version: not an integer"),
        (rule(key=7), "at $[0].key: not a text"),
        ("x", "rule (no type) at $[0].type: not a kind of rule"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_faulty_rule_is_refused_with_its_place_and_what_to_do(bad: Any, words: str) -> None:
    [problem] = refusals([bad])
    assert words in problem


def test_the_same_type_key_and_version_twice_is_refused_also_in_two_files() -> None:
    [problem] = refusals([rule()], [rule()])
    assert (
        problem
        == "1.json: rule TRACK 'E' at $[0]: the same type, key and version as 0.json at $[0]; keep one of the two"
    )
    assert len(refusals([rule(type="GROUP", key=None), rule(type="GROUP", key="")])) == 1


def test_all_problems_are_told_at_once() -> None:
    assert len(refusals([rule(7), rule(type=""), rule()], {"a": 1}, None)) == 4


def test_what_is_no_json_or_no_plan_is_refused() -> None:
    with pytest.raises(PlanError, match=r"x.csv: not JSON"):
        read_plan([("x.csv", b"a;b")])
    assert "not a tracking plan" in refusals({"hello": 1})[0]


def test_too_many_rules_or_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps([rule(key=str(n)) for n in range(3)]))
    monkeypatch.setattr(loading, "MAX_RULES", 2)
    with pytest.raises(PlanError, match="more than 2 rules"):
        load_plan([file])
    monkeypatch.setattr(loading, "MAX_BYTES", 10)
    with pytest.raises(PlanError, match="MB"):
        load_plan([file])


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "plan.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    words = "Is a directory" if kind == "folder" else "not a regular file; name a JSON file"
    with pytest.raises(PlanError, match=words):
        load_plan([path])


def test_a_byte_order_mark_is_no_fault_and_another_encoding_is_named(tmp_path: Path) -> None:
    text = json.dumps(
        {"rules": [{"type": "TRACK", "key": "Größe", "version": 1, "jsonSchema": {}}]}, ensure_ascii=False
    )
    path = tmp_path / "plan.json"
    path.write_text(text, encoding="utf-8-sig")
    assert [rule.key for rule in load_plan([path]).rules] == ["Größe"]
    path.write_text(text, encoding="utf-16")
    with pytest.raises(PlanError, match="UTF-16 text; save it as UTF-8"):
        load_plan([path])
    path.write_text(text, encoding="latin-1")
    with pytest.raises(PlanError, match="save it as UTF-8"):
        load_plan([path])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"none\.json: cannot be read"):
        load_plan([tmp_path / "none.json"])


def test_without_the_library_the_refusal_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert f"`{pip_install('plans')}`" in refusals([rule()])[0]


def test_plans_are_equal_if_their_files_are() -> None:
    assert read([rule()]) == read([rule()])
    assert read([rule()]) != read([rule(key="F")])
    assert hash(read([rule()])) == hash(read([rule()]))
