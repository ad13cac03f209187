"""What is refused, with which words, and where the mark stands."""

from __future__ import annotations

import pytest

from router.filters import FilterError, advice_on, compile_condition, compile_value


def refusal(text: str) -> FilterError:
    with pytest.raises(FilterError) as refused:
        compile_condition(text)
    return refused.value


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (" \n", "empty", "leave the key out"),
        ("type = 'track' and " * 400 + "a", "too_long", "5120 bytes"),
        ("(" * 33 + "a" + ")" * 33, "too_deep", "32 parentheses"),
        ("!" * 5000, "too_deep", '32 "!" in a row'),
        ("a && b", "syntax", 'FQL has no "&&"; write and'),
        ("a || b", "syntax", 'FQL has no "||"; write or'),
        ("a & b", "syntax", "write and"),
        ("a == 'x'", "syntax", 'FQL has no "=="; write ='),
        ("==", "syntax", 'FQL has no "=="; write ='),
        ("a <> 'x'", "syntax", "write !="),
        ("not a", "syntax", "write !( ... )"),
        ("not( type = 'x' )", "syntax", "write !( ... )"),
        ("a not in ['x']", "syntax", "write !( ... )"),
        ("a And b", "syntax", "write and"),
        ("a like '%x%'", "syntax", "match"),
        ("a = 5.", "syntax", "digits after its point"),
        ("a = .5", "syntax", "digit before its point"),
        ("a = " + "9" * 4301, "syntax", "a number of more than 300 characters"),
        ("a = " + "9" * 400 + ".5", "syntax", "a number of more than 300 characters"),
        ("5and a", "syntax", "neither a number nor a name"),
        ("30_day = 4", "syntax", "begins with a digit"),
        ("a = b = c", "syntax", "a comparison has two sides"),
        ("(a) = 'x'", "syntax", "cannot be compared"),
        ("a = (b)", "syntax", "cannot be compared"),
        ("a and", "syntax", "ends too early"),
        ("a.$ = 1", "syntax", '"." means nothing here'),
        ("and.x = 1", "syntax", "\\and"),
        ("a in ['x', ['y']]", "syntax", "cannot stand here"),
        ("a = ''b", "syntax", "b cannot stand here"),
        ("a = 'x", "unterminated_string", "has no end"),
        ("!!a = 'x'", "negated_comparison", "write !( a = 'x' )"),
        ("a > true", "type", "compares two numbers"),
        ("null < a", "type", "compares two numbers"),
        ("lowercase(a) < 5", "type", "compares two numbers"),
        ("a in lowercase(b)", "type", "looks into a list"),
        ("contains( a, 5 )", "type", "looks at text"),
        ("match( ['x'], 'x' )", "type", "looks at text"),
        ("f()", "unknown_function", "it has contains, match"),
        ("typeof() = 'x'", "arguments", "typeof takes 1, not 0"),
        ("semver( a, '~', b )", "arguments", "semver compares by"),
        ("null", "never_true", "compare it with something"),
        ("[a]", "never_true", "compare it with something"),
        ("!'x' and a", "never_true", "compare it with something"),
        ("match( a, '[z-a]' )", "pattern", "write a-z"),
        ("match( a, '[]' )", "pattern", "empty"),
        ("match( a, '[a' )", "pattern", "no end"),
        ("match( a, 'a\\' )", "pattern", "backslash"),
    ],
)
def test_a_mistake_is_refused_with_its_remedy(text: str, code: str, words: str) -> None:
    found = refusal(text)
    assert (found.code, words in str(found)) == (code, True), str(found)


def test_and_beside_or_is_refused_with_both_readings() -> None:
    found = str(refusal("event = 'a' and type = 'b' or ( userId = 'u' )"))
    assert "( event = 'a' and type = 'b' ) or ( userId = 'u' )" in found
    assert "event = 'a' and ( type = 'b' or ( userId = 'u' ) )" in found


def test_both_readings_of_and_beside_or_are_good_expressions() -> None:
    words = refusal("a and b or c and d").words
    either, other = words.partition("write either ")[2].split(" or else ")
    for reading in (either, other):
        compile_condition(reading)


def test_line_and_column_are_counted_in_the_expression_and_the_place_is_marked() -> None:
    found = refusal("type = 'track'\n  and event == 'x'")
    assert (found.line, found.column) == (2, 13)
    assert str(found).splitlines()[1:] == ["      and event == 'x'", " " * 16 + "^"]


def test_of_a_long_line_the_part_around_the_place_is_shown() -> None:
    shown = str(refusal(f"{'a = 1 and ' * 100}b == 2")).splitlines()
    assert all(len(line) < 110 for line in shown[1:])
    assert shown[1][shown[2].index("^") :].startswith("==")


def test_32_parentheses_and_32_negations_are_not_too_deep() -> None:
    assert compile_condition("!" * 32 + "(" * 32 + "a" + ")" * 32)({"a": True}) is True


@pytest.mark.parametrize("text", ["type = track", "type != track", "event = 'a' or type = track"])
def test_a_word_without_quotes_on_the_right_is_warned_of(text: str) -> None:
    (words,) = advice_on(text)
    assert "write 'track'" in words


def test_all_beside_other_words_is_warned_of() -> None:
    assert "only where it stands alone" in advice_on("all and type = 'track'")[0]


@pytest.mark.parametrize("text", ["all", "userId = anonymousId", "a = b.c", "type = 'track'"])
def test_what_may_be_meant_is_not_warned_of(text: str) -> None:
    assert advice_on(text) == []


def test_the_path_of_a_sample_is_a_path_and_nothing_else() -> None:
    assert compile_value("properties.a\\.b")({"properties": {"a.b": 7}}) == 7
    with pytest.raises(FilterError):
        compile_value("userId = 'u'")
