"""Filters in config.toml: what is refused at load, each with its key, and what is warned of."""

from __future__ import annotations

from typing import Any

import pytest

from router.config import DestinationConfig, no_group_calls
from router.config.filter_rules import filter_problems, filter_warnings

DROP = {"type": "DROP"}


def table(**keys: Any) -> DestinationConfig:
    return DestinationConfig.model_validate({"name": "d", "plugin": "p", **keys})


def with_action(**action: Any) -> DestinationConfig:
    return table(filters=[{"title": "T", "if": "all", "actions": [action]}])


def test_a_filter_that_cannot_be_read_is_told_with_its_key_place_and_remedy() -> None:
    (problem,) = filter_problems(table(filter="event == 'x'"))
    assert problem.splitlines() == [
        'filter: line 1, column 7: FQL has no "=="; write =',
        "    event == 'x'",
        "          ^",
    ]


def test_a_blank_filter_is_refused_and_an_empty_one_is_none() -> None:
    assert "leave the key out" in filter_problems(table(filter=" "))[0]
    assert filter_problems(table(filter="")) == []


def test_a_condition_is_told_with_the_title_of_its_filter() -> None:
    (problem,) = filter_problems(table(filters=[{"title": "Staff", "if": "a = ", "actions": [DROP]}]))
    assert problem.startswith("filters[0] (Staff).if: line 1, column")


def test_a_disabled_filter_is_checked_too() -> None:
    assert filter_problems(table(filters=[{"title": "T", "if": "a = ", "actions": [DROP], "enabled": False}]))


def test_an_export_with_all_its_keys_can_be_pasted() -> None:
    exported = {
        "id": "f1", "sourceId": "s1", "destinationId": "d1", "title": "T", "description": "about", "enabled": True,
        "if": "type = 'track'", "actions": [DROP], "createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2025-01-01T00:00:00Z",
    }  # fmt: skip
    assert filter_problems(table(filters=[exported])) == []


def test_a_filter_without_a_condition_is_told_what_to_write() -> None:
    (problem,) = filter_problems(table(filters=[{"title": "T", "if": " ", "actions": [DROP]}]))
    assert problem.startswith("filters[0] (T).if: there is no condition; write e.g. ")


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ({"type": "SAMPLE"}, "actions[0].percent: required"),
        ({"type": "SAMPLE", "percent": 0.5, "path": "userId = 1"}, "actions[0].path: line 1"),
        ({"type": "DROP", "percent": 0.5}, "belong to SAMPLE"),
        ({"type": "DROP", "fields": {"properties": ["a"]}}, "belongs to DROP_PROPERTIES"),
        ({"type": "DROP_PROPERTIES"}, "actions[0].fields: required"),
        ({"type": "ALLOW_PROPERTIES", "fields": {"a..b": ["c"]}}, "between two dots is empty"),
        ({"type": "DROP_PROPERTIES", "fields": {"": ["type"]}}, "cannot be taken out"),
    ],
)
def test_an_action_that_says_too_little_or_too_much_is_refused(action: dict[str, Any], words: str) -> None:
    (problem,) = filter_problems(with_action(**action))
    assert words in problem


def test_a_path_that_looks_like_text_is_warned_of() -> None:
    found = table(filter="type = track", filters=[{"title": "T", "if": "event = x", "actions": [DROP]}])
    assert [warning.key for warning in filter_warnings(found)] == ["filter", "filters[0].if"]


def test_traits_that_are_taken_out_are_warned_of_as_they_are_remembered() -> None:
    (warning,) = filter_warnings(with_action(type="DROP_PROPERTIES", fields={"context.traits": ["email"]}))
    assert "[destination.mapping]" in warning.words
    assert filter_warnings(with_action(type="DROP_PROPERTIES", fields={"properties": ["email"]})) == []


@pytest.mark.parametrize(
    ("expression", "is_warned"),
    [
        ("type = 'track'", True),
        ("type in ['track', 'page'] and event != 'x'", True),
        ("!( type = 'group' or type = 'alias' )", True),
        ("type = 'track' or traits.vip", False),
        ("event = 'x'", False),
        ("all", False),
    ],
)
def test_a_filter_that_lets_no_group_call_through_is_warned_of(expression: str, is_warned: bool) -> None:
    assert bool(no_group_calls(table(filter=expression))) is is_warned


def test_a_drop_of_all_group_calls_is_warned_of() -> None:
    filters = [{"title": "T", "if": "type != 'track'", "actions": [DROP]}]
    assert [warning.key for warning in no_group_calls(table(filters=filters))] == ["filters[0]"]
