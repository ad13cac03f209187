"""Random expressions and events: the compiled filter against a slow evaluator, and laws that must hold for all of them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from router.filters import FilterError, compile_condition
from tests.unit.filters import slow_evaluator as slow
from tests.unit.filters.slow_evaluator import Made

lasting = settings(max_examples=50)
"""The machine that runs this may be busy; to parse takes a millisecond or two each time."""

TEXTS = st.text("ab* ?'", max_size=4)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from((0.5, 1.0, -2.5)), TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=5,
)
KEYS = st.sampled_from(("x", "y", "z", "a.b", "30_d", "and"))
EVENTS = st.dictionaries(
    st.sampled_from(("p", "x", "y")), VALUES | st.dictionaries(KEYS, VALUES, max_size=4), max_size=3
)

PATHS = st.lists(KEYS, max_size=2).map(lambda keys: slow.path("p", *keys)) | st.just(slow.path("x"))
LITERALS = SCALARS.filter(lambda value: not (isinstance(value, str) and "'" in value and '"' in value)).map(
    slow.literal
)
LISTS = st.lists(PATHS | LITERALS, max_size=3).map(slow.listing)
NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from((0.5, 2.5))).map(slow.literal)
STRINGS = TEXTS.map(slow.literal)
LOWER = PATHS.map(lambda path: slow.call("lowercase", [path]))
MATCHES = st.tuples(PATHS | LOWER | STRINGS, STRINGS).map(lambda two: slow.call("match", list(two)))
CONTAINS = st.tuples(PATHS | LOWER, PATHS | STRINGS).map(lambda two: slow.call("contains", list(two)))
OF_ONE = st.tuples(st.sampled_from(("length", "typeof", "lowercase")), PATHS).map(
    lambda two: slow.call(two[0], [two[1]])
)
ANY = st.one_of(PATHS, LITERALS, LISTS, OF_ONE, CONTAINS)
CONDITIONS = st.one_of(
    st.tuples(ANY, st.sampled_from(("=", "!=")), ANY).map(lambda three: slow.compared(*three)),
    st.tuples(PATHS | NUMBERS, st.sampled_from(("<", "<=", ">", ">=")), PATHS | NUMBERS).map(
        lambda t: slow.compared(*t)
    ),
    st.tuples(ANY, PATHS | LISTS).map(lambda two: slow.compared(two[0], "in", two[1])),
    st.one_of(PATHS, MATCHES, CONTAINS).map(slow.true_of),
)
EXPRESSIONS: st.SearchStrategy[Made] = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        inner.map(slow.negated),
        st.tuples(st.sampled_from(("and", "or")), st.lists(inner, min_size=2, max_size=3)).map(
            lambda two: slow.joined(*two)
        ),
    ),
    max_leaves=6,
)


@lasting
@given(EXPRESSIONS, EVENTS)
def test_the_compiled_filter_says_what_the_slow_evaluator_says(made: Made, event: dict[str, Any]) -> None:
    assert compile_condition(made.text)(event) is made.value(event)


@lasting
@given(EXPRESSIONS, EVENTS)
def test_the_laws_of_not_and_parentheses_hold(made: Made, event: dict[str, Any]) -> None:
    found = compile_condition(made.text)(event)
    assert compile_condition(f"!( {made.text} )")(event) is not found
    assert compile_condition(f"( {made.text} )")(event) is found
    assert compile_condition(f"( {made.text} ) and ( {made.text} )")(event) is found
    assert compile_condition(f"( {made.text} ) OR ( {made.text} )")(event) is found


@lasting
@given(ANY, ANY, EVENTS)
def test_unequal_is_the_opposite_of_equal_and_equal_has_no_sides(
    left: Made, right: Made, event: dict[str, Any]
) -> None:
    found = compile_condition(f"{left.text} = {right.text}")(event)
    assert compile_condition(f"{left.text} != {right.text}")(event) is not found
    assert compile_condition(f"{right.text}={left.text}")(event) is found


@lasting
@given(EXPRESSIONS)
def test_an_event_that_lacks_everything_is_no_trouble(made: Made) -> None:
    assert compile_condition(made.text)({}) is made.value({})


WORDS = st.sampled_from(
    (
        "type",
        "=",
        "!=",
        "and",
        "or",
        "!",
        "(",
        ")",
        "[",
        "]",
        ",",
        "'x'",
        "5",
        "in",
        "contains",
        "==",
        "null",
        "\\",
        '"',
        ".",
    )
)


def refusal(text: str) -> FilterError | None:
    try:
        compile_condition(text)
    except FilterError as refused:
        return refused
    return None


@lasting
@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=30))
def test_any_text_is_a_good_expression_or_refused_with_a_place_in_it(text: str) -> None:
    refused = refusal(text)
    if refused is None:
        assert compile_condition(text)({"type": "track"}) in (True, False)
    else:
        lines = text.split("\n")
        assert 1 <= refused.line <= len(lines)
        assert 1 <= refused.column <= len(lines[refused.line - 1]) + 1
        assert ";" in refused.words


MISTAKES = st.sampled_from((
    ("( {0} ) and ( {0} ) or ( {0} )", "mixed"),
    ("( {0} ) = true", "syntax"),
    ("( {0} ) && ( {0} )", "syntax"),
    ("not ( {0} )", "syntax"),
    ("( {0} ) and", "syntax"),
    ("( {0}", "syntax"),
    ("( {0} ) and !type = 'x'", "negated_comparison"),
    ("( {0} ) or lowercase( x )", "never_true"),
    ("x > 'a' or ( {0} )", "type"),
    ("( {0} ) and upper( x )", "unknown_function"),
    ("( {0} ) and length( x, x ) = 1", "arguments"),
    ("( {0} ) and match( x, '[' )", "pattern"),
))  # fmt: skip


@lasting
@given(EXPRESSIONS, MISTAKES)
def test_a_mistake_beside_any_good_expression_is_found(made: Made, mistake: tuple[str, str]) -> None:
    text, code = mistake
    refused = refusal(text.replace("{0}", made.text))
    assert refused is not None
    assert refused.code == code
