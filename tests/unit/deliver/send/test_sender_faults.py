"""What follows where no status was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from router.deliver.send.http_client import Fault, Reason, Reply
from router.deliver.send.sender import Attempt, read_result
from router.plugin import Item, Outcome, Pause, Reject, RetryLater, Split
from router.plugin_host import Redactor
from router.testing.clock import FakeClock
from tests.contract.rig import Plain, Vendor, destination

NO_CLIENT: Any = None


def outcome_of(result: Reply | Fault, items: int = 1) -> Outcome:
    """The outcome of the first of these items."""
    made = replace(destination(Plain, Vendor()), redactor=Redactor(("pa55word",)))
    return read_result(made, [Item({})] * items, Attempt(made, NO_CLIENT, FakeClock()), result)[0]


@pytest.mark.parametrize(
    ("reason", "told", "detail"),
    [
        ("timeout", "timeout", "words"),
        ("dns", "dns", "words"),
        ("tls", "tls", "words"),
        ("refused", "connection", "refused: words"),
        ("connect", "connection", "connect: words"),
        ("closed", "connection", "closed: words"),
        ("protocol", "not_http", "words"),
    ],
)
def test_trouble_of_the_network_is_tried_again_with_the_finer_word_in_its_detail(
    reason: Reason, told: str, detail: str
) -> None:
    assert outcome_of(Fault(reason, "words")) == RetryLater(told, detail)


def test_a_url_that_is_none_pauses_the_destination() -> None:
    assert outcome_of(Fault("url", "words")) == Pause("set_up", "words")


def test_a_header_that_cannot_be_sent_is_a_fault_of_the_plugin_and_takes_no_neighbour_along() -> None:
    assert outcome_of(Fault("header", "words")) == Reject("plugin_error", "words")
    assert outcome_of(Fault("header", "words"), items=2) == Split("plugin_error", "words")


@pytest.mark.parametrize("reason", ["timeout", "closed", "header", "url"])
def test_a_secret_in_the_words_is_not_told(reason: Reason) -> None:
    outcome: Any = outcome_of(Fault(reason, "not pa55word"))
    assert outcome.detail.endswith("not ***")


@pytest.mark.parametrize(("status", "kind"), [(500, RetryLater), (401, Pause), (400, Reject)])
def test_an_answer_that_is_not_whole_counts_by_its_status(status: int, kind: type[Outcome]) -> None:
    made = replace(destination(Plain, Vendor()), hooks={})
    attempt = Attempt(made, NO_CLIENT, FakeClock())
    [outcome] = read_result(made, [Item({})], attempt, Reply(status, {}, b"", "body: reset"))
    assert (type(outcome), attempt.status) == (kind, status)
