"""Ids, and user keys."""

from __future__ import annotations

from typing import Any

import pytest

from router.event import coerce_id, parse_user, show_user_key


class TestIds:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("u1", "u1"), ("  u1\t", "u1"), ("Ann@Example.com", "Ann@Example.com"), (7, "7"), (7.0, "7"), (7.5, "7.5"),
            (-0.0, "0"), (0, "0"), (1e21, "1000000000000000000000"), (1e-7, "0.0000001"), (2**70, str(2**70)),
            (100.0, "100"), ("", None), ("   ", None), ("u1\x00", None), (None, None), (True, None), (False, None), ([], None),
            ({"a": 1}, None), (float("inf"), None), (float("nan"), None),
        ],
    )  # fmt: skip
    def test_an_id_is_a_trimmed_string_whatever_it_was_sent_as(self, value: Any, expected: str | None) -> None:
        assert coerce_id(value) == expected

    @pytest.mark.parametrize(("key", "shown"), [("u:x", "user:x"), ("a:x:y", "anonymous:x:y"), ("g:x", "group:x")])
    def test_a_user_key_is_shown_by_kind_and_can_be_typed_back(self, key: str, shown: str) -> None:
        assert show_user_key(key) == shown
        assert parse_user(shown) == key

    @pytest.mark.parametrize(
        ("text", "key"), [("x", "u:x"), (" x ", "u:x"), ("acct:7", "u:acct:7"), ("user: 7", "u:7")]
    )
    def test_a_bare_id_means_a_user(self, text: str, key: str) -> None:
        assert parse_user(text) == key
