"""What the table of cases leaves open: numbers, nesting, functions at their edges, fields and shares."""

from __future__ import annotations

from typing import Any

import pytest

from router.filters import compile_condition, holds_for_type
from router.filters.fields import dropped, only
from router.filters.glob import compile_glob
from router.filters.sampling import fraction

NESTED: Any = 1
for _ in range(128):
    NESTED = [NESTED] if isinstance(NESTED, dict) else {"k": NESTED}


def holds(text: str, **event: Any) -> bool:
    return compile_condition(text)(event)


@pytest.mark.parametrize(
    ("text", "x"),
    [
        ("x = 1", 1.0),
        ("1 = x", 1),
        ("x = null", None),
        ("x = y", None),
        ("x = true", True),
        ("x != 1", True),
        ("x != true", 1),
        ("x = [1, 'a', null]", [1.0, "a", None]),
        ("[true] != x", [1]),
        ("x > -1 and 2 > x and x <= x", 0),
        ("x in [null, 'a']", "a"),
        ("x in [1, y]", None),
        ("x in ['a', 'b'] or x in x", "b"),
        ("!( x > 1 )", "2"),
        ("x", True),
        ("!x", "true"),
        ("contains( 'abc', x )", "b"),
        ("match( 'abc', x )", "a*"),
        ("!match( 'abc', x )", "["),
        ("match( 'abc', x )", "abc" + "*" * 253),
        ("!match( 'abc', x )", "abc" + "*" * 254),
        ("length( x ) = 0", ""),
        ("length( x ) = null", True),
        ("string( x ) = '150'", 150.0),
        ('string( x ) = \'[1,"ü",{"a":null}]\'', [1.0, "ü", {"a": None}]),
        ("string( x ) = null", None),
        ("string( x ) = 'true'", True),
        ("number( x ) = 15", " 15 "),
        ("number( x ) = null", "15px"),
        ("number( x ) = null", True),
        ("number( x ) = null", "9" * 400 + ".5"),
        ("bool( x )", "TRUE"),
        ("bool( x ) = null", "yes"),
        ("bool( x ) = false", []),
        ("bool( x )", {"a": 1}),
        ("titlecase( x ) = 'A  BC'", "a  bC"),
        ("titlecase( x ) = null", 7),
        ("semver( x, '=', '1.2' )", "1.2.0-beta"),
        ("semver( x, '<', '1.10' ) and semver( x, '!=', '1' )", "1.9"),
        ("!semver( x, '=', x )", "1.2.3.4"),
        ("!semver( x, y, x )", "1"),
        ("typeof( x ) = 'object'", {}),
    ],
)
def test_a_condition_that_holds(text: str, x: Any) -> None:
    assert holds(text, x=x) is True


@pytest.mark.parametrize(
    "text", ["x = y", "x in [y]", "x != y or x = y", "string( x ) = 'a'", "length( x ) > 1", "x > 5", "bool( x )"]
)
@pytest.mark.parametrize("x", [NESTED, 10**400, -(10**400), 1.5e308, "\ud800", "ア" * 10, [], {}, None])
def test_no_value_of_an_event_makes_a_condition_raise(text: str, x: Any) -> None:
    assert holds(text, x=x, y=x) in (True, False)
    assert holds(text) in (True, False)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "a\nb", True),
        ("?", "ア", True),
        ("a*", "ba", False),
        ("*a", "ab", False),
        ("a*a", "a", False),
        ("*ab*ab*", "xabyabz", True),
        ("*ab*ab*", "xaby", False),
        ("a*b?c", "axxbxc", True),
        ("[]x]", "x", None),
        ("[^a]", "^", True),
        ("[a^]", "^", True),
        ("[\\]\\-]", "-", True),
        ("[a\\-z]", "m", False),
        ("]", "]", True),
        ("a.c", "abc", False),
        ("*[0-9].[0-9]", "v1.2", True),
        ("*\\*", "a*", True),
        ("*.", "a\n", False),
        ("a", "A", False),
    ],
)
def test_a_pattern_fits_the_whole_text_or_not(pattern: str, text: str, fits: bool | None) -> None:
    if fits is None:
        with pytest.raises(ValueError, match="write"):
            compile_glob(pattern)
    else:
        assert compile_glob(pattern)(text) is fits


def test_eight_stars_on_a_long_text_do_not_go_back_and_forth() -> None:
    """It takes a tenth of a millisecond. Trying every split would take years."""
    assert compile_glob("*a" * 8 + "b")("a" * 20_000) is False
    assert compile_glob("*a" * 8 + "*")("a" * 20_000) is True


@pytest.mark.parametrize(
    ("value", "share"),
    [("u1", 0.006341), ("u2", 0.806105), ("u3", 0.454171), ("alice", 0.908748), (None, 0.217379), (42, 0.632092)],
)
def test_a_value_has_the_share_that_segment_gives_it(value: Any, share: float) -> None:
    assert round(fraction(value), 6) == share
    assert fraction(42.0) == fraction(42)


EVENT = {
    "userId": "u",
    "properties": {"a": 1, "b.c": 2, "list": [{"p": 1, "q": 2}, 7]},
    "context": {"page": {"url": "x"}},
}


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"properties": ["a", "zz"]}, {**EVENT, "properties": {"b.c": 2, "list": [{"p": 1, "q": 2}, 7]}}),
        ({"properties": ["b.c"]}, {**EVENT, "properties": {"a": 1, "list": [{"p": 1, "q": 2}, 7]}}),
        ({"properties.list": ["p"]}, {**EVENT, "properties": {"a": 1, "b.c": 2, "list": [{"q": 2}, 7]}}),
        ({"": ["userId"]}, {key: value for key, value in EVENT.items() if key != "userId"}),
        ({"context.page": ["url"], "traits.x": ["y"]}, {**EVENT, "context": {"page": {}}}),
    ],
)
def test_dropped_fields_are_gone_and_nothing_else(fields: dict[str, list[str]], left: dict[str, Any]) -> None:
    before = repr(EVENT)
    assert dropped(EVENT, fields) == left
    assert repr(EVENT) == before


def test_allowed_fields_stay_alone_in_their_object() -> None:
    assert only(EVENT, {"properties": ["a", "zz"], "traits": ["x"]}) == {**EVENT, "properties": {"a": 1}}
    assert only(EVENT, {"properties.list": ["p"]})["properties"]["list"] == [{"p": 1}, 7]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("all", True),
        ("type = 'group'", True),
        ("!( type in ['group', 'track'] )", False),
        ("type = 'track' and event = 'x'", False),
        ("type = 'group' or event = 'x'", True),
        ("type = 'group' and event = 'x'", None),
        ("contains( type, 'rou' )", True),
        ("false", False),
        ("traits.x", None),
    ],
)
def test_what_an_expression_says_of_all_group_calls(text: str, answer: bool | None) -> None:
    assert holds_for_type(text, "group") is answer


def test_a_pattern_that_an_event_brings_along_is_not_looked_for_in_a_text_that_is_too_long() -> None:
    pattern = "*" + "a" * 254 + "*"
    fits = compile_condition("match( text, pattern )")
    assert fits({"text": "a" * 32 * 1024, "pattern": pattern})
    assert not fits({"text": "a" * (32 * 1024 + 1), "pattern": pattern})
    assert fits({"text": "a" * (32 * 1024 + 1), "pattern": "a*"})
