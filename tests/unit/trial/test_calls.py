"""What people paste into a trial, and how it is read."""

from __future__ import annotations

import json

import pytest

from router.config import SourcePrivacyConfig
from router.event import Call, Discard
from router.privacy import SourcePrivacy
from router.store import Suppressions
from router.trial import Intake
from router.trial.calls import MAX_EVENTS, judge, sample, split

TRACK = {"type": "track", "userId": "u1", "event": "E"}
PAGE = {"type": "page", "userId": "u1"}


def read(text: str) -> list[object]:
    return [json.loads(call) for call in split(text.encode())]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([TRACK, PAGE]),
        json.dumps({"batch": [TRACK, PAGE], "writeKey": "k"}),
        f"{json.dumps(TRACK)}\n\n{json.dumps(PAGE)}\n",
    ],
    ids=["list", "batch", "lines"],
)
def test_calls_come_as_a_list_a_batch_or_lines(text: str) -> None:
    assert read(text) == [TRACK, PAGE]


@pytest.mark.parametrize("text", ["[" * 30_000 + "]" * 30_000, '{}\n{"a": ' + "[" * 30_000])
def test_what_is_nested_too_deeply_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        split(text.encode())


def test_one_call_may_be_written_over_several_lines() -> None:
    assert read(json.dumps(TRACK, indent=2)) == [TRACK]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" \n", "there is no event"),
        ("[]", "there is no event"),
        ("7", "neither an object nor a list"),
        ("track", "it is no JSON"),
        (f"{json.dumps(TRACK)}\n{{oops\n", "line 2 is no JSON"),
        (json.dumps([TRACK] * (MAX_EVENTS + 1)), f"it has {MAX_EVENTS + 1} events"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        split(text.encode())


def test_events_are_judged_as_ingestion_does_and_get_an_id_of_the_trial() -> None:
    first, second = judge([json.dumps(TRACK).encode(), b'{"type":"nope","userId":"u1"}'], Intake("website"), 1_000)
    assert isinstance(first, Call)
    assert (first.message_id, first.user_key, first.source) == ("try-1", "u:u1", "website")
    assert isinstance(second, Discard)
    assert second.code == "unknown_type"


def test_an_event_is_judged_without_what_its_source_takes() -> None:
    privacy = SourcePrivacy(SourcePrivacyConfig(drop=("properties.secret",)), None)
    event = json.dumps({**TRACK, "properties": {"secret": 1, "n": 2}}).encode()
    [call] = judge([event], Intake("website", privacy), 1_000)
    assert isinstance(call, Call)
    assert b'"properties":{"n":2}' in call.body


def test_an_event_that_is_no_object_is_discarded_and_its_neighbours_are_tried() -> None:
    first, second = judge([b"7", sample("track")], Intake("website"), 1_000)
    assert isinstance(first, Discard)
    assert isinstance(second, Call)


def test_an_event_of_a_suppressed_person_is_discarded() -> None:
    nobody = Suppressions(b"key", ())
    hashed = nobody.hash_of("u:u1")
    someone = Suppressions(b"key", [(hashed, hashed)])
    first, second = judge([sample("track"), json.dumps(TRACK).encode()], Intake("website", suppressions=someone), 1_000)
    assert isinstance(first, Call)
    assert isinstance(second, Discard)
    assert second.code == "suppressed"
