"""Schemas with which a small call could keep the validator busy for minutes are refused; others that refer back are not."""

from __future__ import annotations

from typing import Any

import pytest

from router.plans.repetition import MAX_PARTS, fault_of
from router.plans.schema import Schema, SchemaError

NODE = {"$ref": "#/definitions/node"}


def around(node: dict[str, Any]) -> dict[str, Any]:
    return {"definitions": {"node": node}, "properties": {"tree": NODE}}


def child(**more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"child": NODE, **more}}


@pytest.mark.parametrize("keyword", ["oneOf", "anyOf", "allOf"])
def test_two_alternatives_that_both_refer_back_are_refused(keyword: str) -> None:
    fault = fault_of(around({keyword: [child(kind={"enum": ["folder"]}), child(kind={"enum": ["file"]})]}))
    assert fault.startswith("#/definitions/node refers back to itself from more than one alternative")


@pytest.mark.parametrize(
    "node",
    [
        {**child(), "allOf": [child()]},
        {"if": child(), "then": child()},
        {**child(), "not": child()},
        {"anyOf": [{"type": "null"}, child(), {"allOf": [child()]}]},
        {"dependencies": {"a": child(), "b": child()}},
        {**child(), "patternProperties": {"^c": NODE}},
        {"patternProperties": {"^c": NODE, "d$": NODE}},
        {"items": NODE, "contains": NODE},
        {"properties": {"default": {"oneOf": [NODE, NODE]}}},
    ],
    ids=[
        "beside",
        "if",
        "not",
        "nested",
        "dependencies",
        "listed and pattern",
        "patterns",
        "contains",
        "a property called default",
    ],
)
def test_so_are_others_that_look_at_one_value_twice(node: dict[str, Any]) -> None:
    assert "refers back" in fault_of(around(node))


@pytest.mark.parametrize(
    "node",
    [
        child(),
        {"anyOf": [{"type": "null"}, child(sibling=NODE)]},
        {"oneOf": [{"type": "string"}, {"type": "array", "items": NODE}]},
        {"type": "object", "additionalProperties": NODE, "properties": {"name": {"enum": [NODE]}}},
        {"items": NODE, "properties": {"child": NODE}, "additionalProperties": NODE},
    ],
    ids=["list", "tree", "nested arrays", "map", "all kinds of parts"],
)
def test_a_recursion_through_one_alternative_is_accepted(node: dict[str, Any]) -> None:
    assert fault_of(around(node)) == ""
    Schema(around(node))


def test_references_that_fan_out_are_refused() -> None:
    steps = {f"s{n}": {"allOf": [{"$ref": f"#/definitions/s{n + 1}"}] * 2} for n in range(27)}
    schema = {"definitions": {**steps, "s27": {"type": "string"}}, "properties": {"a": {"$ref": "#/definitions/s0"}}}
    assert f"more than {MAX_PARTS:,} parts" in fault_of(schema)
    with pytest.raises(SchemaError, match="let fewer of them refer to each other"):
        Schema(schema)


def test_a_reference_with_percent_signs_leads_where_it_says() -> None:
    assert "refers back" in fault_of(around({"oneOf": [child(), child(a={"$ref": "#/definitions/%6eode"})]}))


def test_references_that_lead_too_far_are_refused_before_anybody_follows_them() -> None:
    steps = {f"s{n}": {"$ref": f"#/definitions/s{n + 1}"} for n in range(20_000)}
    assert "nested too deep" in fault_of({"definitions": steps, "allOf": [{"$ref": "#/definitions/s0"}]})


def test_references_that_lead_nowhere_are_left_to_the_library() -> None:
    assert (
        fault_of({"properties": {"a": {"$ref": "#/definitions/none"}, "b": {"$ref": "#/allOf/7"}}, "allOf": [{}]}) == ""
    )
