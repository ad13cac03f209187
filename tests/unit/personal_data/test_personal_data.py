"""What looks personal is recognised by the name of its key or by its shape, and counted without its value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.personal_data import MAX_FOUND, Found, Tally
from router.personal_data.names import what_is_named
from router.personal_data.shapes import what_looks


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("eva@example.com", "email"),
        ("https://example.com/?m=eva%40example.com&x=1", "email"),
        ("write to Eva.Holm+news@mail.example.co.uk, please", "email"),
        ("+49 1512 3456789", "phone"),
        ("0032 470 12 34 56", "phone"),
        ("203.0.113.7", "ip"),
        ("2001:db8::1", "ip"),
        ("4111 1111 1111 1111", "card"),
        ("378282246310005", "card"),
        (4111111111111111, "card"),
        ("DE89 3704 0044 0532 0130 00", "bank"),
        ("be68539007547034", "bank"),
    ],
)
def test_a_value_is_recognised_by_its_shape(value: Any, what: str) -> None:
    assert what_looks(value) == what


@pytest.mark.parametrize(
    "value",
    [
        "Order 4711", "user@host", "+49", "+999 12345678", "2026-01-02T03:04:05.678Z", "12:34:56", "999.1.1.1", "1.2.3", 1_767_323_045_678,
        "4111 1111 1111 1112", "DE89 3704 0044 0532 0130 01", "6f1ed002-ab5a-4c8f-9a54-1b7c1d5c2f00", True, None, 7.5, 10**30, {}, "",
    ],
)  # fmt: skip
def test_other_values_look_like_nothing(value: Any) -> None:
    assert what_looks(value) == ""


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("email", "email"), ("billingEmail", "email"), ("E-Mail", "email"), ("phone_number", "phone"), ("firstName", "person"),
        ("dateOfBirth", "birthday"), ("age", "birthday"), ("SSN", "id"), ("clientIP", "ip"), ("card-number", "card"),
        ("API_KEY", "secret"), ("name", "name"),
        ("page", ""), ("maxAge", ""), ("productName", ""), ("email_sent", ""), ("zipper", ""), ("", ""), ("ü", ""),
    ],
)  # fmt: skip
def test_a_key_is_recognised_by_its_last_words(key: str, what: str) -> None:
    assert what_is_named(key) == what


def counted(type: str = "track", **call: Any) -> dict[tuple[str, str, str], int]:
    tally = Tally()
    tally.add("website", type, call)
    return {(found.path, found.what, found.by): n for found, n in tally.counts.items()}


def test_a_finding_has_its_path_and_counts_once_a_call() -> None:
    guests = [{"email": "a@example.com"}, {"email": "b@example.com"}, ["x"]]
    assert counted(properties={"guests": guests}) == {
        ("properties.guests.email", "email", "name"): 1,
        ("properties.guests.email", "email", "shape"): 1,
    }


def test_ids_are_looked_at_for_their_shape() -> None:
    assert counted(userId="eva@example.com", anonymousId="a1") == {("userId", "email", "shape"): 1}


@pytest.mark.parametrize("value", [None, "", True, "0" * 64, {"x": 1}])
def test_what_is_empty_hashed_or_no_single_value_is_no_finding(value: Any) -> None:
    assert counted(traits={"email": value}) == {}


def test_a_name_is_that_of_a_person_in_an_identify_call_only() -> None:
    assert counted("identify", traits={"name": "Eva"}) == {("traits.name", "name", "name"): 1}
    assert counted("group", traits={"name": "Acme"}) == {}
    assert counted(properties={"name": "Shirt"}) == {}


def test_a_version_of_four_numbers_is_no_address() -> None:
    assert counted(context={"app": {"version": "1.2.3.4"}}) == {}


@pytest.mark.parametrize("key", ["eva@example.com", "a.b", "a\nb", "x" * 65])
def test_a_key_that_looks_personal_or_cannot_be_named_is_not_shown(key: str) -> None:
    assert counted(properties={key: {"email": "x"}}) == {("properties.*.email", "email", "name"): 1}


def test_the_number_of_different_findings_is_bounded() -> None:
    tally = Tally()
    tally.add("website", "track", {"properties": {f"k{n}": {"email": "x"} for n in range(MAX_FOUND + 5)}})
    assert (len(tally.counts), tally.left_out) == (MAX_FOUND, 5)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text().map(lambda text: "s3cret" + text),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["email", "ip", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(call=st.dictionaries(st.sampled_from(["context", "properties", "traits", "userId", "groupId"]), VALUES))
def test_whatever_a_call_holds_it_is_counted_without_a_value(call: dict[str, Any]) -> None:
    tally = Tally()
    tally.add("website", "identify", call)
    assert "s3cret" not in repr(tally.counts)
    assert all(isinstance(found, Found) for found in tally.counts)
