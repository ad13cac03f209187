"""What a plugin returned or raised is held against the contract before the router acts on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from router.plugin import Delivered, Outcome, Pause, Reject, RetryLater, Skip, Split
from router.plugin_host import Destination, Redactor
from router.plugin_host.outcome_checks import MAX_DETAIL, MAX_REASON, checked, fault_of
from router.plugin_host.shortening import both_ends
from tests.contract.rig import Plain, Vendor, destination

reject: Any = Reject
skip: Any = Skip
split: Any = Split
retry_later: Any = RetryLater
pause: Any = Pause
"""The same without their types, for what no author should write."""

NAN, INF = float("nan"), float("inf")


class Odd(Outcome):
    """None of the contract's."""


class OwnReject(Reject):
    """Of the contract, but made in another way."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status_{status}", "pa55word is wrong")


def dest(*secrets: str) -> Destination:
    return replace(destination(Plain, Vendor()), redactor=Redactor(secrets))


@pytest.mark.parametrize(
    "outcome",
    [
        Delivered(),
        Skip("empty"),
        Reject("rejected", "words"),
        RetryLater("status_503"),
        RetryLater("status_503", "words", after_s=1, for_s=0.5),
        RetryLater("status_503", after_s=INF),
        RetryLater("status_503", after_s=-1),
        Pause("credentials", after_s=0, sure=False),
        Split("rejected"),
        Reject("žluťoučký", "kůň 🐎"),
    ],
    ids=repr,
)
def test_an_outcome_of_the_contract_is_taken_as_it_is(outcome: Outcome) -> None:
    assert fault_of(outcome) == ""
    assert checked(dest(), outcome) == outcome


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (None, "NoneType is no outcome: want one of Delivered, Skip, Reject, RetryLater, Pause, Split"),
        ("delivered", "str is no outcome"),
        (Outcome(), "Outcome is no outcome"),
        (Odd(), "Odd is no outcome"),
        (Delivered, "type is no outcome"),
        (reject(None), "Reject.reason is NoneType: want text"),
        (reject("r", b"words"), "Reject.detail is bytes: want text"),
        (skip(7), "Skip.reason is int: want text"),
        (split("r", {}), "Split.detail is dict: want text"),
        (reject("r", "half \ud800"), "Reject.detail holds half a character"),
        (retry_later("r", after_s="5"), "RetryLater.after_s is '5': want seconds as a number"),
        (retry_later("r", for_s=True), "RetryLater.for_s is True"),
        (retry_later("r", after_s=NAN), "RetryLater.after_s is nan"),
        (retry_later("r", after_s=10**400), "RetryLater.after_s is 1000"),
        (pause("r", after_s=10**9000), "Pause.after_s is a value of type int"),
        (pause("r", after_s=[]), "Pause.after_s is []"),
        (pause("r", sure=None), "Pause.sure is NoneType: want True or False"),
        (pause("r", sure=1), "Pause.sure is int"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_anything_else_is_a_fault_of_the_plugin_and_says_what_is_wrong(outcome: Any, words: str) -> None:
    found = checked(dest(), outcome)
    assert isinstance(found, Reject)
    assert found.reason == "plugin_error"
    assert words in found.detail


@pytest.mark.parametrize("make", [Reject, RetryLater, Pause, Split])
def test_secrets_are_masked_in_words_of_every_kind(make: Any) -> None:
    found: Any = checked(dest("pa55word"), make("r", "the key pa55word is wrong"))
    assert (type(found), found.detail) == (make, "the key *** is wrong")


def test_secrets_are_masked_in_the_words_about_a_fault_too() -> None:
    found: Any = checked(dest("pa55word"), retry_later("r", after_s="pa55word"))
    assert "pa55word" not in found.detail


@pytest.mark.parametrize("make", [Skip, Reject, RetryLater, Pause, Split])
def test_secrets_are_masked_in_reasons_too(make: Any) -> None:
    found: Any = checked(dest("pa55word"), make("bad_pa55word"))
    assert (type(found), found.reason) == (make, "bad_***")


def test_of_a_long_detail_the_beginning_is_kept_and_no_secret_that_its_end_cuts_in_two() -> None:
    found: Any = checked(dest("pa55word"), Reject("r", "x" * (MAX_DETAIL - 4) + "pa55word" + "y" * 10_000))
    assert found.detail == "x" * (MAX_DETAIL - 4) + "***"


@pytest.mark.parametrize("make", [Skip, Reject, RetryLater, Pause, Split])
def test_a_reason_is_bounded_in_bytes(make: Any) -> None:
    assert checked(dest(), make("ž" * 10_000)).reason == "ž" * (MAX_REASON // 2)  # type: ignore[attr-defined]


def test_a_detail_is_bounded_in_bytes_and_cuts_no_character() -> None:
    found: Any = checked(dest(), Reject("r", "x" + "🐎" * MAX_DETAIL))
    assert MAX_DETAIL - 4 < len(found.detail.encode()) <= MAX_DETAIL
    assert set(found.detail) == {"x", "🐎"}


def test_both_ends_of_a_long_text_are_kept() -> None:
    text = both_ends("Traceback" + "ž" * 10_000 + "ValueError: the cause", 200)
    assert text.startswith("Traceback")
    assert text.endswith("ž" + "ValueError: the cause")
    assert len(text.encode()) <= 200
    assert both_ends("short", 5) == "short"


def test_what_is_masked_keeps_its_other_fields() -> None:
    given = Pause("credentials", "pa55word", after_s=5.0, sure=False)
    assert checked(dest("pa55word"), given) == Pause("credentials", "***", after_s=5.0, sure=False)


def test_a_subclass_with_a_constructor_of_its_own_is_taken_for_what_it_is() -> None:
    found = checked(dest("pa55word"), OwnReject(400))
    assert isinstance(found, Reject)
    assert (found.reason, found.detail) == ("status_400", "*** is wrong")
