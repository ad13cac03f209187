"""What today's configuration would make of the newest events."""

from __future__ import annotations

from typing import Any

from router.console.recent import compared
from router.event import Call


def event(id: str, state: str, reason: str = "") -> tuple[Any, str, str]:
    return Call("website", "track", id, "u:1", 0, b"{}\n{}"), state, reason


def trial(outcome: str, reason: str = "") -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason}


def test_what_was_filtered_and_would_be_sent_is_a_change_and_the_other_way_round() -> None:
    events = [event("a", "filtered", "filter"), event("b", "delivered"), event("c", "filtered", "filter")]
    found = compared(events, [trial("deliver"), trial("filtered", "event_name"), trial("filtered", "filter")])
    assert [(one.message_id, one.then, one.now, one.now_reason) for one in found.changes] == [
        ("a", "filtered", "sent", ""), ("b", "delivered", "filtered", "event_name"),
    ]  # fmt: skip
    assert found.looked_at == 3
    assert ("sent", "", 1) in found.outcomes


def test_another_reason_to_keep_it_back_is_a_change() -> None:
    assert compared([event("a", "filtered", "filter")], [trial("filtered", "consent")]).changes


def test_what_waits_or_is_dead_was_not_kept_back() -> None:
    events = [event("a", "held", "group_unknown"), event("b", "dead", "rejected"), event("c", "queued", "in_flight")]
    assert not compared(events, [trial("deliver")] * 3).changes
