"""Freshsuccess: which calls make a session, what ends it, and that no state and no instant whatsoever raises."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.freshsuccess import Freshsuccess, FreshsuccessSettings
from plugins.freshsuccess.mapping import EPOCH
from plugins.freshsuccess.sessions import Call, Ended, Session, close, follow, from_state, to_state
from router.plugin import MAX_STATE_BYTES, Context, Item, Profile, Reject, SecretStr, Skip
from tests.contract.plugin_case import ANY_JSON, event_of, mapped, stored

TIMEOUT = 30 * 60_000
DASHBOARD = Session("u1", "acme", 1_000, 5_000, "Dashboard", 2_000, seen=100_000)


def plugin(**settings: Any) -> Freshsuccess:
    return Freshsuccess(
        FreshsuccessSettings(event_auth_key=SecretStr("AUTH"), event_api_key=SecretStr("KEY"), **settings)
    )


def call(at: int, **told: Any) -> Call:
    """A call of the same user and account, which comes a second after the one before."""
    return Call(**{"user": "u1", "account": "acme", "at": at, "received": 101_000, **told})


def actions(ended: list[Ended]) -> list[str]:
    return [end.action for end in ended]


# ---------------------------------------------------------------- one call after the other


def test_the_first_call_opens_a_session_and_ends_nothing() -> None:
    session, ended = follow(None, call(7_000, module="Reports"), TIMEOUT)
    assert (session, ended) == (Session("u1", "acme", 7_000, 7_000, "Reports", 7_000, 101_000), [])


def test_a_call_without_a_module_leaves_the_open_one_running() -> None:
    session, ended = follow(DASHBOARD, call(9_000), TIMEOUT)
    assert (session, ended) == (replace(DASHBOARD, last=9_000, seen=101_000), [])


def test_a_call_of_the_same_module_ends_nothing() -> None:
    session, ended = follow(DASHBOARD, call(9_000, module="Dashboard"), TIMEOUT)
    assert (session.begun, ended) == (2_000, [])


def test_a_call_of_another_module_ends_the_open_one() -> None:
    session, ended = follow(DASHBOARD, call(9_000, module="Reports"), TIMEOUT)
    assert (session.module, session.begun, session.last) == ("Reports", 9_000, 9_000)
    assert ended == [Ended("moduleEnd", "u1", "acme", 9_000, {"module": "Dashboard", "time_spent": 7_000})]


@pytest.mark.parametrize(
    ("told", "ends"),
    [
        ({"at": 5_000 + TIMEOUT - 1}, False),
        ({"at": 5_000 + TIMEOUT}, True),
        ({"received": 100_000 + TIMEOUT - 1}, False),
        ({"received": 100_000 + TIMEOUT}, True),
        ({"user": "u2"}, True),
        ({"user": "u2", "at": 4_000}, True),
        ({"account": "beta"}, True),
        ({"account": None}, False),
    ],
    ids=str,
)
def test_a_session_ends_after_a_break_or_with_its_user_or_account(told: dict[str, Any], ends: bool) -> None:
    later = call(**{"at": 6_000, **told})
    session, ended = follow(DASHBOARD, later, TIMEOUT)
    if not ends:
        assert (session.first, ended) == (1_000, [])
        return
    assert (session.user, session.account, session.first) == (later.user, later.account, later.at)
    assert ended == [
        Ended("moduleEnd", "u1", "acme", 5_000, {"module": "Dashboard", "time_spent": 3_000}),
        Ended("sessionSync", "u1", "acme", 5_000, {"active_duration": 4_000}),
    ]


def test_a_session_of_one_call_is_sent_with_a_duration_of_zero() -> None:
    session, _ = follow(None, call(7_000), TIMEOUT)
    assert close(session) == [Ended("sessionSync", "u1", "acme", 7_000, {"active_duration": 0})]


@pytest.mark.parametrize(
    ("at", "first"), [(4_999, 1_000), (-3_000, -3_000), (1_001 - TIMEOUT, 1_001 - TIMEOUT), (1_000 - TIMEOUT, 1_000)]
)
def test_a_late_call_begins_the_session_earlier_if_it_is_near_and_leaves_the_rest(at: int, first: int) -> None:
    session, ended = follow(DASHBOARD, call(at, module="Reports"), TIMEOUT)
    assert (session, ended) == (replace(DASHBOARD, first=first, seen=101_000), [])


def test_an_account_that_becomes_known_is_the_session_s() -> None:
    session, ended = follow(replace(DASHBOARD, account=None), call(6_000, module="Reports"), TIMEOUT)
    assert (session.account, ended[0].account) == ("acme", "acme")


def test_a_call_that_was_held_does_not_bring_the_end_of_the_session_nearer() -> None:
    session, _ = follow(DASHBOARD, call(4_000, received=50_000), TIMEOUT)
    assert session.seen == 100_000


# ---------------------------------------------------------------- any calls in any order

CALLS = st.builds(
    Call,
    user=st.sampled_from(["u1", "u1", "u2"]),
    account=st.sampled_from([None, "acme", "beta"]),
    at=st.integers(0, 20),
    received=st.integers(0, 20),
    module=st.sampled_from([None, "Dashboard", "Reports"]),
)


@given(calls=st.lists(CALLS, min_size=1), timeout=st.integers(1, 10))
def test_spans_are_never_negative_and_modules_never_longer_than_their_session(calls: list[Call], timeout: int) -> None:
    session, lines = None, []
    for one in calls:
        session, ended = follow(session, one, timeout)
        assert from_state(msgspec.json.decode(msgspec.json.encode(to_state(session)))) == session
        lines += ended
    assert session is not None
    spent = 0
    for end in [*lines, *close(session)]:
        if end.action == "moduleEnd":
            assert end.fields["time_spent"] >= 0
            spent += end.fields["time_spent"]
        else:
            assert spent <= end.fields["active_duration"]
            spent = 0


@given(before=st.lists(CALLS, min_size=1), after=CALLS, timeout=st.integers(1, 10))
def test_timer_and_call_give_the_same_lines_whichever_comes_first(
    before: list[Call], after: Call, timeout: int
) -> None:
    session = None
    for one in before:
        session, _ = follow(session, one, timeout)
    assert session is not None
    after = replace(after, received=session.seen + timeout)
    by_timer = close(session)
    alone, nothing = follow(None, after, timeout)
    assert follow(session, after, timeout) == (alone, [*by_timer, *nothing])


# ---------------------------------------------------------------- the hooks


@pytest.mark.parametrize(
    ("type", "ids", "settings", "key"),
    [
        ("track", {"userId": "u1", "anonymousId": "a1"}, {}, "a1"),
        ("identify", {"userId": "u1", "anonymousId": "a1"}, {}, "a1"),
        ("group", {"userId": "u1", "anonymousId": "a1"}, {}, "a1"),
        ("group", {"anonymousId": "a1"}, {"account_api_key": "AKEY"}, None),
        ("track", {"userId": "u1"}, {}, None),
        ("track", {"anonymousId": "a1"}, {}, None),
        ("track", {"userId": "u1", "anonymousId": "a1"}, {"estimate_time": False}, None),
        ("page", {"userId": "u1", "anonymousId": "a1"}, {}, None),
        ("page", {"userId": "u1", "anonymousId": "a1"}, {"send_pages": True}, "a1"),
        ("screen", {"userId": "u1", "anonymousId": "a1"}, {"send_pages": True}, "a1"),
        ("alias", {"userId": "u1", "anonymousId": "a1"}, {"send_pages": True}, None),
    ],
)
def test_calls_of_a_user_in_a_browser_take_part(
    type: str, ids: dict[str, str], settings: dict[str, Any], key: str | None
) -> None:
    assert plugin(**settings).state_key(event_of({"type": type, "groupId": "acme", **ids})) == key


def test_the_timer_is_set_to_the_time_out_after_the_router_saw_the_call() -> None:
    context = Context()
    sent = {"type": "track", "userId": "u1", "anonymousId": "a1", "event": "E"}
    when = {"originalTimestamp": "2020-01-01T00:00:00Z", "receivedAt": "2024-03-01T10:00:00Z"}
    mapped(plugin(session_timeout_minutes=0.5), event_of({**sent, **when}), context)
    assert context._wake == (datetime(2024, 3, 1, 10, 0, 30, tzinfo=UTC),)


def test_a_call_without_an_account_is_warned_of_once_whatever_it_ends() -> None:
    warned: list[str] = []
    context = Context(state=to_state(replace(DASHBOARD, account=None)), warn=lambda reason, **_: warned.append(reason))
    sent = {"type": "track", "userId": "u2", "anonymousId": "a1", "event": "E"}
    assert len(mapped(plugin(), event_of(sent), context)) == 3
    assert warned == ["no_account"]


def test_a_refused_call_is_told_before_anything_is_sent() -> None:
    sent = {"type": "track", "userId": "u2", "anonymousId": "a1", "event": " "}
    with pytest.raises(Reject, match="invalid_event_name"):
        mapped(plugin(), event_of(sent), Context(state=to_state(DASHBOARD)))


def test_the_timer_of_a_session_sends_nothing_once_time_is_no_longer_estimated() -> None:
    context = Context(state=to_state(DASHBOARD))
    assert list(plugin(estimate_time=False).wake("a1", datetime.now(UTC), context)) == []
    assert context.state is None


def test_a_module_name_of_any_length_fits_into_the_state() -> None:
    context = Context()
    ids = {"userId": "\x01" * 255, "anonymousId": "a1", "groupId": "\x01" * 255}
    [item] = mapped(
        plugin(), event_of({"type": "track", **ids, "event": "E", "properties": {"module": "\x01" * 30_000}}), context
    )
    assert len(item.body["module"]) == 255
    assert len(msgspec.json.encode(context.state)) < MAX_STATE_BYTES


NUMBER = st.integers() | st.integers(0, 2**48) | st.floats() | st.booleans() | st.none()
TEXT = st.text() | st.text(max_size=3) | st.just("x" * 300) | st.none() | st.integers()
ODD_STATE = ANY_JSON | st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("first", "last", "begun", "seen"), NUMBER),
        **dict.fromkeys(("user", "account", "module", "more"), TEXT),
    },
)  # fmt: skip


@given(
    state=ODD_STATE | st.builds(to_state, st.builds(Session)),
    kind=st.sampled_from(["identify", "group", "track", "page", "screen"]),
    properties=st.dictionaries(st.sampled_from(["module", "product", "name"]), ANY_JSON | st.text(), max_size=3),
    name=st.none() | st.text(),
    user=st.sampled_from(["u1", "u2", "x" * 300]),
    group=st.none() | st.sampled_from(["acme", "x" * 300]),
    at=st.datetimes(timezones=st.just(UTC)),
    received=st.integers(0, 2**41).map(lambda ms: EPOCH + timedelta(milliseconds=ms)),
    minutes=st.floats(0.0001, 1440),
    account_key=st.sampled_from(["", "AKEY"]),
)
def test_any_state_and_any_instant_give_lines_or_a_refusal_and_a_state_that_can_be_read(
    state: Any, kind: str, properties: Any, name: Any, user: str, group: Any, at: datetime, received: datetime,
    minutes: float, account_key: str,
) -> None:  # fmt: skip
    sending = plugin(session_timeout_minutes=minutes, send_pages=True, account_api_key=account_key)
    sent = {
        "type": kind,
        "userId": user,
        "anonymousId": "a1",
        "groupId": group,
        "event": name,
        "properties": properties,
    }
    event = msgspec.structs.replace(event_of(sent), original_timestamp=at, received_at=received)
    context = Context(Profile(user, {}), Profile(group, {}) if group else None, state=state)
    try:
        items = mapped(sending, event, context)
    except (Skip, Reject):
        return
    for ended in items[:-1]:
        assert ended.body.get("time_spent", 0) >= 0
    assert len(msgspec.json.encode(context.state)) < MAX_STATE_BYTES
    assert from_state(msgspec.json.decode(msgspec.json.encode(context.state))) is not None
    [due] = context._wake or [None]
    assert due is not None
    assert due >= received + timedelta(minutes=minutes, milliseconds=-1)


@given(state=ODD_STATE, account_key=st.sampled_from(["", "AKEY"]))
def test_a_timer_with_any_state_sends_a_session_or_nothing_and_leaves_nothing(state: Any, account_key: str) -> None:
    context = Context(state=state)
    items: list[Item] = stored(plugin(account_api_key=account_key).wake("a1", datetime.now(UTC), context))
    assert context.state is None
    assert [item.body["action"] for item in items][-1:] in ([], ["sessionSync"])
