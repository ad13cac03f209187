"""Whether the gate is open for an event, and what it waits for where it is closed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from router.decide.gate import Closed, Open, ask, call_key, group_key
from router.decide.group_readiness import GroupReadiness
from router.plugin import Event, Group
from router.store import DirectorySnapshot, GroupProfile, Membership

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEEDS = (Group("id", "name"),)


def event(**ids: Any) -> Event:
    return Event(
        type="track", message_id="m", source="web", timestamp=NOW, original_timestamp=NOW, received_at=NOW, **ids
    )


def known(call_pos: int = 10, name_pos: int | None = 10) -> DirectorySnapshot:
    """u1 is a member of acme, whose name was told at `name_pos`."""
    since = {} if name_pos is None else {"name": name_pos}
    return DirectorySnapshot(
        memberships={"u:u1": [Membership(call_pos, "acme", call_pos)]},
        companies={"acme": GroupProfile({}, since)},
        links={"a:x": [(5, "u:u1")]},
    )


def read_up_to(read_pos: int, *groups: int, start: int = 0, ahead: tuple[int, ...] = ()) -> GroupReadiness:
    """The destination has read this far; `groups` are group calls it has not settled."""
    readiness = GroupReadiness(start, start, ahead)
    for pos in range(start + 1, read_pos + 1):
        readiness.read(pos, "group" if pos in groups else "track")
    return readiness


def test_an_event_with_a_known_group_may_go() -> None:
    assert ask(NEEDS, event(user_id="u1"), "u:u1", 20, known(), read_up_to(20)) == Open("acme")


@pytest.mark.parametrize(
    ("ids", "key", "directory", "unsettled", "closed"),
    [
        ({"user_id": "u9"}, "u:u9", known(), (), Closed("group_unknown", ("u:u9",))),
        ({"user_id": "u1"}, "u:u1", known(), (10,), Closed("group_unknown", ("c:10",))),
        ({"user_id": "u1"}, "u:u1", known(name_pos=None), (), Closed("group_name_unknown", ("g:acme",), "acme")),
        ({"user_id": "u1"}, "u:u1", known(10, 12), (12,), Closed("group_name_unknown", ("g:acme",), "acme")),
        ({"user_id": "u1", "group_id": "new"}, "u:u1", known(), (), Closed("group_name_unknown", ("g:new",), "new")),
        ({"anonymous_id": "y"}, "a:y", known(), (), Closed("group_unknown", ("a:y",))),
        (
            {"anonymous_id": "x"},
            "a:x",
            DirectorySnapshot(links={"a:x": [(5, "u:u2")]}),
            (),
            Closed("group_unknown", ("a:x", "u:u2")),
        ),
        ({"user_id": "u9", "anonymous_id": "y"}, "u:u9", known(), (), Closed("group_unknown", ("u:u9", "a:y"))),
    ],
    ids=[
        "no group",
        "its group call unsettled",
        "the name untold",
        "the call that told the name unsettled",
        "its own group's name untold",
        "an anonymous id without a user",
        "an anonymous id waits for its own group or its user's",
        "a user with an anonymous id waits for the group of either",
    ],
)
def test_a_closed_gate_says_what_it_waits_for(
    ids: dict[str, str], key: str, directory: DirectorySnapshot, unsettled: tuple[int, ...], closed: Closed
) -> None:
    assert ask(NEEDS, event(**ids), key, 20, directory, read_up_to(20, *unsettled)) == closed


def test_an_event_that_names_its_own_group_needs_no_call_of_its_user() -> None:
    found = ask(NEEDS, event(user_id="u9", group_id="acme"), "u:u9", 20, known(), read_up_to(20))
    assert found == Open("acme")


def test_without_traits_only_the_group_itself_is_asked_for() -> None:
    found = ask((Group("id"),), event(user_id="u1"), "u:u1", 20, known(name_pos=None), read_up_to(20))
    assert found == Open("acme")


def test_an_anonymous_event_goes_for_its_linked_users_group() -> None:
    assert ask(NEEDS, event(anonymous_id="x"), "a:x", 20, known(), read_up_to(20)) == Open("acme")


def test_an_event_before_its_users_first_group_goes_for_that_group() -> None:
    assert ask(NEEDS, event(user_id="u1"), "u:u1", 3, known(), read_up_to(20)) == Open("acme")


def test_a_name_told_again_after_its_first_call_died_opens_the_gate() -> None:
    readiness = read_up_to(20, 10, 15)
    readiness.fail(10, "u:u1", "acme", ["name"])
    assert isinstance(ask(NEEDS, event(user_id="u1"), "u:u1", 20, known(), readiness), Closed)
    readiness.settle(15, ["u:u1"], "acme", ["name"])
    assert ask(NEEDS, event(user_id="u1"), "u:u1", 20, known(), readiness) == Open("acme")


@pytest.mark.parametrize(
    ("since", "told_as", "unsettled", "opens"),
    [
        ({"title": 10}, ("title", "name"), (), True),
        ({"name": 10}, ("title", "name"), (), True),
        ({"title": 12, "name": 10}, ("title", "name"), (12,), True),
        ({"title": 12}, ("title", "name"), (12,), False),
        ({"name": 10}, ("title",), (), False),
        ({}, (), (), True),
    ],
    ids=[
        "told by its other name",
        "told by its own",
        "one of them is enough",
        "its call is unsettled",
        "its own name means something else",
        "always known",
    ],
)
def test_a_trait_is_looked_up_under_the_names_that_a_mapping_table_gives_it(
    since: dict[str, int], told_as: tuple[str, ...], unsettled: tuple[int, ...], opens: bool
) -> None:
    directory = DirectorySnapshot(
        memberships={"u:u1": [Membership(10, "acme", 10)]}, companies={"acme": GroupProfile({}, since)}
    )
    found = ask(
        NEEDS, event(user_id="u1"), "u:u1", 20, directory, read_up_to(20, *unsettled), {"name": told_as}
    )  # fmt: skip
    assert found == (Open("acme") if opens else Closed("group_name_unknown", ("g:acme",), "acme"))


def test_a_membership_whose_call_was_refused_closes_the_gate_and_says_which_call_it_was() -> None:
    readiness = read_up_to(20, 10)
    readiness.fail(10, "u:u1", "acme", ["name"], is_dead=True)
    closed = ask(NEEDS, event(user_id="u1"), "u:u1", 20, known(), readiness)
    assert closed == Closed("group_unknown", ("u:u1",), refused_pos=10)


def test_wait_keys_of_calls_and_groups_cannot_be_taken_for_users() -> None:
    assert (call_key(10), group_key("acme")) == ("c:10", "g:acme")
