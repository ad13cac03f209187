"""Who belongs to which group as of a position, and which calls say so."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from router.directory import (
    EffectiveGroup,
    effective_group,
    facts,
    facts_with_consent,
    keys_of,
    linked_user,
    membership_as_of,
    owner,
)
from router.event import Call, with_verdict
from router.plans import Verdict
from router.plugin import Event
from router.store import DirectorySnapshot, DirectoryUpdate, Membership

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def call(type: str, **fields: Any) -> Call:
    """A call as ingestion hands it over."""
    user, anonymous, group = (fields.get(k) for k in ("userId", "anonymousId", "groupId"))
    key = f"u:{user}" if user else f"a:{anonymous}" if anonymous else f"g:{group}"
    return Call("web", type, "m", key, 0, b"{}\n" + json.dumps({"type": type, **fields}).encode())


def event(**ids: Any) -> Event:
    """A track with these ids."""
    return Event(
        type="track", message_id="m", source="web", timestamp=NOW, original_timestamp=NOW, received_at=NOW, **ids
    )


KNOWN = DirectorySnapshot(
    memberships={
        "u:u1": [Membership(10, "a", 10), Membership(20, "b", 20)],
        "a:x": [Membership(15, "x", 15)],
        "u:late": [Membership(50, "c", 40)],
    },
    links={"a:x": [(12, "u:u1"), (30, "u:u2"), (40, "u:u1")]},
)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (call("track", userId="u1", event="E"), None),
        (call("page", userId="u1"), None),
        (call("screen", userId="u1"), None),
        (call("identify", userId="u1", traits={"a": 1}), DirectoryUpdate("u:u1", user_traits={"a": 1})),
        (
            call("identify", userId="u1", anonymousId="x"),
            DirectoryUpdate("u:u1", user_traits={}, link=("a:x", "u:u1")),
        ),
        (call("identify", anonymousId="x", traits={"a": 1}), DirectoryUpdate("a:x", user_traits={"a": 1})),
        (
            call("group", userId="u1", groupId="g", traits={"name": "G"}),
            DirectoryUpdate("u:u1", group_id="g", group_traits={"name": "G"}, joins=True),
        ),
        (call("group", anonymousId="x", groupId="g"), DirectoryUpdate("a:x", group_id="g", joins=True)),
        (call("group", groupId="g"), DirectoryUpdate("g:g", group_id="g", joins=False)),
        (call("alias", userId="u1", previousId="x"), DirectoryUpdate("u:u1", link=("a:x", "u:u1"), former="u:x")),
        (call("alias", userId="u1", previousId="u1"), None),
        (call("alias", userId="u1"), None),
    ],
    ids=lambda value: f"{value.type} of {value.user_key}" if isinstance(value, Call) else "",
)
def test_a_call_tells_the_directory_what_it_says_and_no_more(sent: Call, told: DirectoryUpdate | None) -> None:
    assert facts(sent) == told


def test_ids_are_told_as_strings() -> None:
    assert facts(call("group", userId=7, groupId=7.0)) == DirectoryUpdate("u:7", group_id="7", joins=True)


@pytest.mark.parametrize(
    ("pos", "user"),
    [(11, None), (12, "u:u1"), (29, "u:u1"), (30, "u:u2"), (39, "u:u2"), (40, "u:u1"), (99, "u:u1")],
)
def test_a_link_is_looked_up_as_of_the_position(pos: int, user: str | None) -> None:
    assert linked_user(KNOWN, "a:x", pos) == user


def test_an_unlinked_anonymous_id_belongs_to_nobody() -> None:
    assert linked_user(KNOWN, "a:y", 99) is None


@pytest.mark.parametrize(("pos", "group"), [(9, None), (10, "a"), (19, "a"), (20, "b"), (99, "b")])
def test_a_membership_is_looked_up_as_of_the_position(pos: int, group: str | None) -> None:
    found = membership_as_of(KNOWN, "u:u1", pos)
    assert (found.group_id if found else None) == group


@pytest.mark.parametrize(
    ("ids", "lane", "pos", "keys"),
    [
        ({"user_id": "u1"}, "u:u1", 5, ["u:u1"]),
        ({"user_id": "u1", "anonymous_id": "x"}, "u:u1", 5, ["u:u1", "a:x"]),
        ({"anonymous_id": "x"}, "a:x", 5, ["a:x"]),
        ({"anonymous_id": "x"}, "a:x", 12, ["a:x", "u:u1"]),
        ({"anonymous_id": "x"}, "a:x", 35, ["a:x", "u:u2"]),
        ({"user_id": "u9", "anonymous_id": "x"}, "u:u9", 35, ["u:u9", "a:x"]),
    ],
)
def test_an_event_draws_its_group_from_its_own_ids_and_from_its_link(
    ids: dict[str, str], lane: str, pos: int, keys: list[str]
) -> None:
    assert keys_of(event(**ids), lane, pos, KNOWN) == keys


@pytest.mark.parametrize(
    ("ids", "keys", "pos", "found"),
    [
        ({"user_id": "u1", "group_id": "own"}, ["u:u1"], 25, EffectiveGroup("own")),
        ({"user_id": "u1"}, ["u:u1"], 15, EffectiveGroup("a", 10, 10)),
        ({"user_id": "u1"}, ["u:u1"], 25, EffectiveGroup("b", 20, 20)),
        ({"user_id": "u1"}, ["u:u1"], 5, EffectiveGroup("a", 10, 10)),
        ({"user_id": "u1"}, ["u:none", "a:x"], 16, EffectiveGroup("x", 15, 15)),
        ({"user_id": "u1"}, ["u:u1", "a:x"], 16, EffectiveGroup("a", 10, 10)),
        ({"user_id": "u1"}, ["a:x", "u:u1"], 5, EffectiveGroup("a", 10, 10)),
        ({"user_id": "late"}, ["u:late"], 45, EffectiveGroup("c", 40, 50)),
        ({"user_id": "none"}, ["u:none"], 5, EffectiveGroup(None)),
    ],
    ids=[
        "its own group",
        "membership of the time",
        "a later membership",
        "the first one after it",
        "its anonymous id's",
        "its user's before its anonymous id's",
        "the earliest after it of all keys",
        "told before it was taken over",
        "none",
    ],
)
def test_an_events_group_is_its_own_else_its_users_then_else_the_first_after_it(
    ids: dict[str, str], keys: list[str], pos: int, found: EffectiveGroup
) -> None:
    assert effective_group(event(**ids), keys, pos, KNOWN) == found


@pytest.mark.parametrize(
    ("keys", "pos", "refused", "found"),
    [
        (["u:u1"], 15, {10}, EffectiveGroup("b", 20, 20, refused_key="u:u1")),
        (["u:u1"], 25, {20}, EffectiveGroup(None, refused_pos=20)),
        (["u:u1", "a:x"], 16, {10}, EffectiveGroup("b", 20, 20, refused_key="u:u1")),
        (["u:u1"], 5, {10}, EffectiveGroup("b", 20, 20)),
        (["u:u1"], 5, {10, 20}, EffectiveGroup(None, refused_pos=20)),
        (["u:late"], 45, {50}, EffectiveGroup("c", 40, 50)),
    ],
    ids=[
        "the next one after a refused one",
        "none after a refused one",
        "never its anonymous id's instead",
        "the first one after it that counts",
        "all were refused: the newest is told",
        "it is the call that counts, not the position",
    ],
)
def test_a_membership_whose_group_call_was_refused_does_not_count(
    keys: list[str], pos: int, refused: set[int], found: EffectiveGroup
) -> None:
    assert effective_group(event(user_id="u1"), keys, pos, KNOWN, refused.__contains__) == found


def test_its_own_group_counts_whatever_became_of_group_calls() -> None:
    sent = event(user_id="u1", group_id="own")
    assert effective_group(sent, ["u:u1"], 15, KNOWN, lambda call_pos: True) == EffectiveGroup("own")


@pytest.mark.parametrize(
    ("key", "pos", "user"),
    [("a:x", 5, "u:u1"), ("a:x", 12, "u:u1"), ("a:x", 35, "u:u2"), ("a:x", 99, "u:u1"), ("a:y", 5, None)],
    ids=["linked afterwards", "linked then", "its second user", "its last user", "never linked"],
)
def test_an_anonymous_event_belongs_to_the_user_of_its_time_else_to_the_first_one_after_it(
    key: str, pos: int, user: str | None
) -> None:
    assert owner(KNOWN, key, pos) == user


def test_a_blocked_call_tells_nothing_but_what_its_user_agreed_to() -> None:
    """A withdrawal holds, whatever the tracking plan says of the event that carries it."""
    body = {"traits": {"email": "a@x.io"}, "context": {"consent": {"categoryPreferences": {"ads": False}}}}
    stored = b"{}\n" + json.dumps({"type": "identify", "userId": "u", "anonymousId": "x", **body}).encode()
    blocked = with_verdict(stored, Verdict("web", is_blocked=True))
    call = Call("web", "identify", "m", "u:u", 0, blocked)
    assert facts(call) is None
    told = facts_with_consent(call, frozenset)
    assert told is not None
    assert (told.user_traits, told.link, told.preferences) == (None, None, {"ads": False})
