"""Which keyed state of a plugin goes with a person, and which texts name one."""

from __future__ import annotations

import json

import pytest

from router.store.forget_state import StateOf
from router.store.names_in_texts import FEW, Names

STATE = StateOf({"u1", "7", "ann@x.io", "name", "auth0|5f7c", "urn:user:5"})


@pytest.mark.parametrize(
    "key",
    [
        "u1",
        "u1/acme",
        "session:u1",
        "7",
        "7/acme",
        "seen|ann@x.io",
        "u:auth0|5f7c",
        "auth0|5f7c/acme",
        "a urn:user:5",
        "u:7",
        "sessions/user:7",
    ],
)
def test_a_key_with_a_part_that_is_the_id_is_theirs(key: str) -> None:
    assert STATE.has(key, b"1")


@pytest.mark.parametrize(
    "key",
    ["usage:7", "u12/acme", "sessions", "ann@x.io.example", "auth0|5f7c1", "xauth0|5f7c", "auth0:5f7c", "urn:user"],
)
def test_a_key_with_another_part_or_a_counter_is_not(key: str) -> None:
    assert not STATE.has(key, b"1")


@pytest.mark.parametrize("value", [b'"u1"', b'{"user":"u1"}', b'[{"a":["7"]}]'])
def test_a_value_with_a_text_that_is_the_id_is_theirs(value: bytes) -> None:
    assert STATE.has("k", value)


@pytest.mark.parametrize("value", [b'{"total":7}', b'{"name":"Acme"}', b'"u1 and u2"', b"null"])
def test_numbers_names_of_fields_and_longer_texts_are_not(value: bytes) -> None:
    assert not STATE.has("k", value)


@pytest.mark.parametrize(
    ("text", "is_named"),
    [
        ("unknown user ann@x.io.", True),
        ('{"id":"u1"}', True),
        ("u1", True),
        ('{"id": 7}', True),
        ("joann@x.io", False),
        ("7 items", False),
        ("u12", False),
    ],
)
@pytest.mark.parametrize("others", [0, FEW], ids=["of few", "of many"])
def test_a_text_names_an_id_only_as_a_whole_word(text: str, is_named: bool, others: int) -> None:
    assert Names(["u:u1", "u:7", "u:ann@x.io", *(f"u:other-{n}" for n in range(others))]).are_in(text) is is_named


@pytest.mark.parametrize("others", [0, FEW], ids=["of few", "of many"])
def test_an_id_without_letters_and_digits_is_found_too(others: int) -> None:
    assert Names(["u:@@@@", *(f"u:other-{n}" for n in range(others))]).are_in("so it is @@@@ then")


@pytest.mark.parametrize("name", ['qu"ote\\d', "José-1"])
def test_an_id_is_found_in_json_that_a_text_of_json_quotes(name: str) -> None:
    body = json.dumps([{"user": name}])
    assert Names([f"u:{name}"]).are_in(json.dumps({"error": "cannot take", "got": body}))
