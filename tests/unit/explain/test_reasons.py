"""The one table of reasons."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.explain.reasons import TABLES, Actor, Reason, all_reasons, reason_of

LOG_PAGE = Path(__file__).parents[3] / "docs/log.md"


def documented() -> list[tuple[str, str]]:
    """Every (state, code) that the page about the log names."""
    page = LOG_PAGE.read_text(encoding="utf-8").partition("## States and reasons")[2]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE)
    found = [(state, code) for state, words in rows for code in re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", words))]
    pauses = re.search(r"`paused` \((.*)\), `breaker_open`", page)
    assert pauses is not None
    return [*found, *(("paused", code) for code in re.findall(r"`(\w+)`", re.sub(r"\([^()]*\)", "", pauses[1])))]


@pytest.mark.parametrize(("state", "code"), documented())
def test_every_reason_that_the_log_page_names_has_its_words(state: str, code: str) -> None:
    reason = reason_of(state, code)
    assert code in TABLES[state] or code.startswith(("status_", "group_")), f"{state} {code} is in no table"
    assert all(reason), reason


def test_every_reason_of_the_table_is_on_the_log_page() -> None:
    named = documented()
    assert len(named) > 35
    missing = [(state, code) for state, code, _ in all_reasons() if code and (state, code) not in named]
    assert missing == [("delivered", "replayed"), ("dead", "invalid_id")], "these two are told on other pages"


def test_every_reason_names_a_cause_somebody_who_acts_and_a_next_step() -> None:
    for state, code, reason in all_reasons():
        assert all(reason), (state, code)
        assert reason.actor in Actor


def test_a_status_that_has_no_row_of_its_own_is_explained() -> None:
    assert reason_of("retrying", "status_503") == Reason(
        "the vendor answered with status 503",
        "the vendor could not take it for now",
        Actor.VENDOR,
        "it is tried again",
    )


def test_a_trait_that_an_operator_requires_is_named() -> None:
    assert (
        reason_of("held", "group_plan_unknown").next_step == "send the group call with traits.plan, or release by hand"
    )


def test_a_reason_of_a_plugin_is_shown_as_given() -> None:
    assert reason_of("dead", "no_such_contact").sentence == "no_such_contact"
