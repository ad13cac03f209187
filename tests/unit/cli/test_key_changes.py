"""What `config diff` prints of a key: of tables, and of lists of tables, only what differs."""

from __future__ import annotations

from typing import Any

from router.cli.key_changes import lines

STAFF = {"title": "No staff", "if": "match( traits.email, '*@acme.com' )", "actions": [{"type": "DROP"}]}
PAGES = {"title": "Few pages", "if": "type = 'page'", "actions": [{"type": "SAMPLE", "percent": 0.1}]}
KEY = "destination.hook.filters"


def told(old: Any, new: Any, key: str = KEY) -> list[str]:
    return lines(key, "changed", old, new)


def test_of_two_filters_the_one_that_changed_is_told_with_its_title() -> None:
    half = {**PAGES, "actions": [{"type": "SAMPLE", "percent": 0.5}]}
    assert told([STAFF, PAGES], [STAFF, half]) == [f"  {KEY}[1] (Few pages).actions[0].percent: 0.1 -> 0.5"]
    off = {**STAFF, "enabled": False}
    assert told([STAFF, PAGES], [off, PAGES]) == [f"+ {KEY}[0] (No staff).enabled = false"]
    assert told([off, PAGES], [STAFF, PAGES]) == [f"- {KEY}[0] (No staff).enabled = false"]


def test_a_filter_that_comes_or_goes_is_told_and_those_beside_it_are_not() -> None:
    more = {"title": "New", "if": "all", "actions": []}
    as_text = '{"title": "New", "if": "all", "actions": []}'
    assert told([STAFF, PAGES], [more, STAFF, PAGES]) == [f"+ {KEY}[0] = {as_text}"]
    assert told([STAFF, more, PAGES], [STAFF, PAGES]) == [f"- {KEY}[1] = {as_text}"]
    assert told([], [more]) == [f"+ {KEY}[0] = {as_text}"]
    assert told([more], []) == [f"- {KEY}[0] = {as_text}"]


def test_of_a_table_the_names_that_differ_are_told() -> None:
    names = "destination.hook.mapping.event_names"
    old, new = {"Old Name": "New Name", "Gone": False, "Kept": "K"}, {"Old Name": "Other", "Come": "C", "Kept": "K"}
    assert told(old, new, names) == [
        f'  {names}."Old Name": "New Name" -> "Other"',
        f"- {names}.Gone = false",
        f'+ {names}.Come = "C"',
    ]


def test_a_value_is_told_as_it_was_and_will_be() -> None:
    assert told("10s", "5s", "server.x") == ['  server.x: "10s" -> "5s"']
    assert told(["a"], ["a", "b"], "destination.hook.sources") == ['  destination.hook.sources: ["a"] -> ["a", "b"]']
    assert told(["ads"], {"any": ["ads"]}, "destination.hook.consent") == [
        '  destination.hook.consent: ["ads"] -> {"any": ["ads"]}'
    ]
    assert lines("source.app.name", "added", None, "app") == ['+ source.app.name = "app"']
    assert lines("source.app.name", "removed", "app", None) == ['- source.app.name = "app"']


def test_of_a_secret_only_the_change_is_told_also_within_a_table() -> None:
    assert told("***", "***", "destination.hook.settings.key") == ["  destination.hook.settings.key: changed"]
    table = {"X-Key": "***", "X-Name": "n"}
    assert told(table, table, "destination.hook.settings.headers") == ["  destination.hook.settings.headers: changed"]
