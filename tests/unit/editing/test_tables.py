"""Keys set and removed in the text of config.toml: what is around them stays byte for byte."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.editing.sections import cut
from router.editing.tables import CannotEdit, KeyChange, added, body_of, changed, differences, removed, table_of

SHIPPED = (Path(__file__).parents[3] / "router/config/shipped.toml").read_text(encoding="utf-8")

ODD = '''# head
[[destination]]   # first
name = "a"
note = """
[[destination]]
name = "not one"
"""
list = [
  [1, 2],
]
# a comment of its end

# about the sources
[[source]]
name = "website"

[[destination]]
"name" = 'b'
settings.url = "x"  # dotted
settings.headers."X-A" = "1"

[log]
level = "info"

[[destination]]
name = "c"
settings = { url = "x" }
  [destination.delivery]
  timeout = "1s"
# last'''

FORMS = ["a", "b", "c"]


@pytest.mark.parametrize("text", [SHIPPED, ODD, ODD.replace("\n", "\r\n"), "", "[a]", 'x = "[a]"\n'])
def test_the_sections_together_are_the_text(text: str) -> None:
    assert "".join(section.text for section in cut(text)) == text


def test_what_looks_like_a_header_inside_a_value_is_none() -> None:
    assert [section.path for section in cut(ODD)] == [
        (), ("destination",), ("source",), ("destination",), ("log",), ("destination",), ("destination", "delivery"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    "change",
    [
        KeyChange(("enabled",), False),
        KeyChange(("settings", "url"), "new"),
        KeyChange(("settings", "more"), [1, "two", {"three": 3}]),
        KeyChange(("settings", "headers", "Y"), {"file": "secrets/y"}),
        KeyChange(("settings", "url"), None),
        KeyChange(("mapping", "set"), {"properties.a b": 1.5}),
        KeyChange(("delivery", "rate"), "5/s"),
        KeyChange(("nothing", "there"), None),
    ],
    ids=str,
)
def test_only_the_key_changes_in_every_way_to_write_a_table(name: str, change: KeyChange) -> None:
    before, text = tomllib.loads(ODD), changed(ODD, name, [change])
    after = tomllib.loads(text)
    for table in before["destination"]:
        if table["name"] == name:
            inner = table
            for key in change.path[:-1]:
                inner = inner.setdefault(key, {}) if change.value is not None else inner.get(key, {})
            if change.value is None:
                inner.pop(change.path[-1], None)
            else:
                inner[change.path[-1]] = change.value
    assert after == before
    comments = [line for line in ODD.splitlines() if "#" in line and not (name == "b" and "dotted" in line)]
    assert all(line in text for line in comments)


def test_a_new_key_stands_before_the_comment_about_what_follows() -> None:
    text = changed(ODD, "a", [KeyChange(("enabled",), False)])
    assert "# a comment of its end\nenabled = false\n\n# about the sources\n[[source]]" in text


@given(
    st.recursive(
        st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=5,
    )
)
@settings(max_examples=300, deadline=None)
def test_no_value_breaks_out_of_its_key(value: Any) -> None:
    wanted = tomllib.loads(ODD)
    wanted["destination"][2]["settings"]["url"] = value
    try:
        text = changed(ODD, "c", [KeyChange(("settings", "url"), value)])
    except (ValueError, CannotEdit):
        return  # what cannot be written is refused
    assert tomllib.loads(text) == wanted


def test_text_with_quotes_line_breaks_and_signs_is_not_refused() -> None:
    for value in ('"', "'''", '"""\n"', "\\", "a\nb", "\n", "\x00\x7f", "ü🎉\u2028", "x\r\ny", ' \t"\\\n'):
        assert table_of(changed(ODD, "c", [KeyChange(("filter",), value)]), "c")["filter"] == value


def test_a_destination_is_added_at_the_end_and_removed_without_a_trace() -> None:
    table = {"name": "d", "plugin": "webhook", "settings": {"url": "http://x", "a b": {"file": "y"}}}
    text = added(ODD, table)
    assert text.startswith(ODD)
    assert table_of(text, "d") == table
    assert removed(text, "d") == ODD + "\n"


@pytest.mark.parametrize("name", FORMS)
def test_removing_keeps_what_belongs_to_others(name: str) -> None:
    text = removed(ODD, name)
    wanted = tomllib.loads(ODD)
    wanted["destination"] = [table for table in wanted["destination"] if table["name"] != name]
    assert tomllib.loads(text) == wanted
    assert "# about the sources\n[[source]]" in text


def test_a_form_that_cannot_be_changed_is_refused_whole() -> None:
    inline = 'destination = [{ name = "a", plugin = "x" }]\n'
    with pytest.raises(CannotEdit):
        changed(inline, "a", [KeyChange(("enabled",), False)])
    with pytest.raises(CannotEdit):
        added(inline, {"name": "b"})
    with pytest.raises(CannotEdit):
        removed(inline, "a")


def test_tables_of_which_a_part_stands_elsewhere_are_refused_or_kept_whole() -> None:
    apart = '[[destination]]\nname = "a"\n[log]\nlevel = "info"\n[destination.settings]\nurl = "x"\n'
    with pytest.raises(CannotEdit):
        changed(apart, "a", [KeyChange(("settings", "url"), "y")])


def test_the_lines_of_a_mapping_are_shown_with_their_comments_and_inner_headers_as_one_line() -> None:
    assert body_of(SHIPPED, "clientsuccess", "mapping").startswith("rename = {}   ")
    inner = '[[destination]]\nname = "a"\n[destination.mapping.set]\n"properties.x" = 1\n'
    assert body_of(inner, "a", "mapping") == 'set = { "properties.x" = 1 }\n'
    assert body_of(ODD, "a", "mapping") == ""


def test_differences_go_key_by_key() -> None:
    old, new = {"a": 1, "b": {"x": 1, "y": True}, "c": [1]}, {"b": {"x": 1, "y": 1}, "c": [1], "d": {}}
    assert differences(old, new) == [KeyChange(("a",), None), KeyChange(("b", "y"), 1), KeyChange(("d",), {})]
