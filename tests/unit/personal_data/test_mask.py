"""Addresses are masked wherever they stand in a text."""

from __future__ import annotations

import pytest

from router.personal_data.mask import masked, words_masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ann@example.com", "a••@example.com"),
        ('{"to": "ann@example.com", "n": 1}', '{"to": "a••@example.com", "n": 1}'),
        ("<ann@example.com> wrote", "<a••@example.com> wrote"),
        ("a@b@example.com", "a••@example.com"),
        ("@example.com and ann@localhost stay", "@example.com and ann@localhost stay"),
        ("x" * 100 + "@example.com", "x••@example.com"),
    ],
)
def test_an_address_keeps_its_first_letter_and_its_host(text: str, shown: str) -> None:
    assert masked(text, "emails") == shown


def test_a_long_text_without_an_address_is_shown_as_it_is() -> None:
    text = "x" * 1_000_000
    assert masked(text, "emails") is text


@pytest.mark.parametrize(("mask", "shown"), [("none", "ann@a.com is no user"), ("emails", "a••@a.com is no user")])
def test_of_the_words_of_a_vendor_the_addresses_are_masked_whatever_traits_are_masked_by(mask: str, shown: str) -> None:
    assert words_masked("ann@a.com is no user", mask) == shown
    assert words_masked("ann@a.com is no user", "all") == "a••@a.com is no user"
