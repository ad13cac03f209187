"""The steps of a decision, read from what became of an event."""

from __future__ import annotations

from typing import Any

import pytest

from router.explain.reasons import FILTERED, all_reasons
from router.explain.steps import Asked, steps

EVENT = {"type": "track", "source": "website", "user_id": "u1", "anonymous_id": None}
ALL = Asked(plan=True, consent=True, filter=True, user=True, gate=("id", "name"))


def results(told: dict[str, Any], asked: Asked = ALL) -> list[tuple[str, str]]:
    return [(step.name, step.result) for step in steps({"detail": "", **told}, EVENT, asked)]


def test_what_was_delivered_passed_all_that_was_asked() -> None:
    passed = ["enabled", "source", "integrations", "type", "plugin"]
    assert results({"state": "delivered", "reason": ""}, Asked()) == [(name, "passed") for name in passed]
    assert len(results({"state": "delivered", "reason": ""})) == 10


def test_a_step_that_stopped_an_event_is_the_last_one_that_was_asked() -> None:
    found = results({"state": "filtered", "reason": "consent"})
    assert found[:5] == [
        ("enabled", "passed"), ("source", "passed"), ("plan", "passed"), ("consent", "stopped"), ("integrations", "not asked"),
    ]  # fmt: skip
    assert {result for _, result in found[4:]} == {"not asked"}


def test_a_held_event_stopped_at_the_gate_and_says_for_what_it_waits() -> None:
    (gate,) = [step for step in steps({"state": "held", "reason": "group_unknown"}, EVENT, ALL) if step.name == "gate"]
    assert (gate.result, gate.words) == ("stopped", "it waits for a group call for user:u1")


@pytest.mark.parametrize("reason", sorted(FILTERED))
def test_every_reason_to_filter_belongs_to_a_step(reason: str) -> None:
    assert [name for name, result in results({"state": "filtered", "reason": reason}) if result == "stopped"]


def test_a_plugin_s_own_reason_to_skip_is_its_own_step() -> None:
    assert results({"state": "skipped", "reason": "no_email"})[-1] == ("plugin", "stopped")


@pytest.mark.parametrize("reason", ["plugin_error", "item_too_large"])
def test_a_dead_letter_that_its_plugin_made_stopped_at_the_plugin(reason: str) -> None:
    assert results({"state": "dead", "reason": reason})[-1] == ("plugin", "stopped")


def test_what_is_not_decided_yet_has_no_steps() -> None:
    assert steps({"state": "queued", "reason": "in_flight"}, EVENT, ALL) == []


def test_no_words_have_a_gap_that_nothing_fills() -> None:
    for state, code, _ in all_reasons():
        if state != "paused":
            for step in steps({"state": state, "reason": code, "detail": ""}, EVENT, ALL):
                assert "{" not in step.words
