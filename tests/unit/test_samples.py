"""The sample calls are such as a library sends, and such as a plugin gets them; authors build their tests on them."""

from __future__ import annotations

import msgspec
import pytest

from router.ingest.parse import parse_batch
from router.testing.samples import CALLS, GROUP, RECEIVED_AT, USER, sample_call, sample_context, sample_event


def test_there_is_one_of_each_type_and_ingestion_takes_them_all() -> None:
    calls, discards = parse_batch(msgspec.json.encode({"batch": list(CALLS.values())})).calls("app", 0, None)
    assert [call.type for call in calls] == list(CALLS) == ["identify", "group", "track", "page", "screen", "alias"]
    assert discards == []
    assert len({call.message_id for call in calls}) == len(CALLS)


@pytest.mark.parametrize("type", CALLS)
def test_each_is_an_event_of_the_user_that_the_context_knows(type: str) -> None:
    event, context = sample_event(type), sample_context()
    assert (event.type, event.user_id, event.received_at) == (type, USER.id, RECEIVED_AT)
    assert (context.user, context.group) == (USER, GROUP)


def test_what_calls_tell_of_user_and_group_is_what_is_known_of_them() -> None:
    assert sample_event("identify").traits == USER.traits
    assert (sample_event("group").group_id, sample_event("group").traits) == (GROUP.id, GROUP.traits)


def test_fields_take_the_place_of_the_samples_own() -> None:
    event = sample_event("track", event="Signed Up", properties={"plan": "trial"}, userId=None)
    assert (event.name, event.properties, event.user_id) == ("Signed Up", {"plan": "trial"}, None)


def test_a_destination_finds_its_options_by_its_names() -> None:
    event = sample_event("track", frozenset({"desk"}), integrations={"Desk": {"board": 7}})
    assert event.options == {"board": 7}


def test_a_call_that_ingestion_would_discard_is_refused() -> None:
    with pytest.raises(ValueError, match="this call would be discarded: "):
        sample_event("track", event=None)


def test_a_call_may_come_from_any_source() -> None:
    assert sample_call("page", "shop").source == "shop"


def test_a_context_can_be_read_after_a_hook_was_called() -> None:
    context = sample_context(state={"n": 1})
    context.warn("odd", n=2)
    context.wake(RECEIVED_AT)
    assert (context.state, context.warned, context.wake_at) == ({"n": 1}, [("odd", {"n": 2})], RECEIVED_AT)


def test_a_timer_that_was_not_set_or_was_cleared_is_none() -> None:
    context = sample_context()
    assert context.wake_at is None
    context.wake(RECEIVED_AT)
    context.wake(None)
    assert context.wake_at is None
