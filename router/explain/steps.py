"""The steps of a decision, in their order, read from what became of an event. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from router.explain import code_phrases

PASSED, STOPPED, NOT_ASKED = "passed", "stopped", "not asked"

UNDECIDED = frozenset({"in_flight", "paused", "breaker_open", "disabled"})
"""Reasons of queued events of which nothing is known yet."""


class Step(NamedTuple):
    """One question of a decision."""

    name: str
    result: str  #: passed, stopped or not asked
    words: str


class Asked(NamedTuple):
    """What a destination asks of an event of this type, beside what all ask."""

    plan: bool = False
    consent: bool = False
    filter: bool = False
    user: bool = False
    gate: Sequence[str] = ()  #: what must be known of the group: id, name, ...


ORDER: tuple[tuple[str, frozenset[str], str], ...] = (
    ("enabled", frozenset({"disabled"}), "the destination is enabled"),
    ("source", frozenset({"source"}), "its source is connected"),
    ("plan", frozenset({"plan"}), "the tracking plan lets it through"),
    ("consent", frozenset({"consent", "consent_missing", "consent_withdrawn"}), "the consent that is needed is given"),
    ("integrations", frozenset({"integrations"}), "its `integrations` let it through"),
    ("filter", frozenset({"filter", "event_name", "filter_drop", "filter_sample"}), "the filters let it through"),
    ("type", frozenset({"unsupported"}), "its plugin takes {type} calls"),
    ("user", frozenset({"no_user_id"}), "it has a userId"),
    ("gate", frozenset({"hold_expired", "hold_full"}), "the group is known: {gate}"),
    ("plugin", frozenset(), "its plugin made something to send of it"),
)
"""Name, the reasons that stop there, and what it means to pass."""


def steps(told: Mapping[str, Any], event: Mapping[str, Any], asked: Asked) -> list[Step]:
    """The questions that were asked of an event at a destination, and where it stopped. Empty while nothing is decided.

    Args:
        told: `{"state", "reason"}`; `detail` of a filter or of consent.
        event: `{"type", "source"}`, its ids.
    """
    state, reason = told["state"], told["reason"]
    if state == "queued" and reason in UNDECIDED:
        return []
    left_out = {name for name in ("plan", "consent", "filter", "user", "gate") if not getattr(asked, name)}
    stop = _stop(state, reason)
    made: list[Step] = []
    is_over = False
    for name, _, passed in ORDER:
        if name in left_out and name != stop:
            continue
        if is_over:
            made.append(Step(name, NOT_ASKED, "not asked any more"))
        elif name == stop:
            made.append(Step(name, STOPPED, _stopped(told, event)))
            is_over = True
        else:
            words = passed.format(type=event.get("type") or "such", gate=", ".join(asked.gate))
            made.append(Step(name, PASSED, words))
    return made


def _stop(state: str, reason: str) -> str:
    """The step at which an event of this state stopped; empty where it passed all."""
    if state == "held":
        return "gate"
    if state in ("filtered", "skipped", "dead"):
        found = next((name for name, reasons, _ in ORDER if reason in reasons), "")
        return found or ("plugin" if state == "skipped" or reason in ("plugin_error", "item_too_large") else "")
    return ""


def _stopped(told: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    state, reason = told["state"], told["reason"]
    if state == "held":
        return f"it waits for {code_phrases.waiting(reason, code_phrases.user_of(event), None)}"
    return code_phrases.of_reason(state, reason, {**event, "detail": told.get("detail")})
