"""Ingestion takes every oddity and refuses every refused call; their names say what they are."""

from __future__ import annotations

import pytest

from router.testing import ODDITIES, REFUSED, every_call, every_event
from router.testing.intake import accepted


@pytest.mark.parametrize("name", ODDITIES)
def test_ingestion_takes_an_oddity(name: str) -> None:
    assert accepted(ODDITIES[name], 0).type in ("identify", "group", "track", "page", "screen", "alias")


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_never_meets_a_plugin(name: str) -> None:
    with pytest.raises(ValueError, match=r"this call would be (refused|discarded): "):
        accepted(REFUSED[name], 0)


def test_all_are_different_events_and_of_every_type() -> None:
    events = every_event()
    assert list(events) == list(every_call())
    assert len({event.message_id for event in events.values()}) == len(events)
    assert {event.type for event in events.values()} == {"identify", "group", "track", "page", "screen", "alias"}


def test_they_are_what_their_names_say() -> None:
    events = every_event()
    assert (events["no userId"].user_id, events["numeric userId"].user_id) == (None, "1042")
    assert (events["null traits"].traits, events["groupId in the context"].group_id) == ({}, "acme")
    assert events["not a number"].properties == {"value": None}
    assert events["half of an emoji"].name == "\ufffd"
    assert 31_000 < len(ODDITIES["32 kB"]) <= 32 * 1024
    assert events["timestamp in seconds"].timestamp.isoformat() == "2026-03-02T09:30:00+00:00"
    assert events["page of nothing"].name is None
