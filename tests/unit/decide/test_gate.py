"""Which group calls supply at a destination, and what the gate says an event waits for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from router.decide.gate import Closed, Open, Supplies, ask
from router.plugin import Event, Group
from router.store import Company, Known, Membership, SupplyRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEEDS = (Group("id", "name"),)


def event(**ids: Any) -> Event:
    return Event(
        type="track", message_id="m", source="web", timestamp=NOW, original_timestamp=NOW, received_at=NOW, **ids
    )


def known(call_pos: int = 10, name_pos: int | None = 10) -> Known:
    """u1 is a member of acme, whose name was told at `name_pos`."""
    since = {} if name_pos is None else {"name": name_pos}
    return Known(
        memberships={"u:u1": [Membership(call_pos, "acme", call_pos)]},
        companies={"acme": Company({}, since)},
        links={"a:x": [(5, "u:u1")]},
    )


def read_up_to(frontier: int, *groups: int, start: int = 0, ahead: tuple[int, ...] = ()) -> Supplies:
    """The destination has read this far; `groups` are group calls it has not settled."""
    supplies = Supplies(start, start, ahead)
    for pos in range(start + 1, frontier + 1):
        supplies.read(pos, "group" if pos in groups else "track")
    return supplies


# ------------------------------------------------------------ what supplies


def test_a_settled_group_call_supplies() -> None:
    supplies = read_up_to(20, 10)
    assert not supplies.has(10, "id")
    supplies.settle(10, ["u:u1"], "acme", ["name"])
    assert supplies.has(10, "id")
    assert supplies.has(10, "name")


def test_everything_before_the_destinations_start_supplies() -> None:
    assert read_up_to(20, start=10).has(10, "id")


def test_a_call_that_was_not_read_yet_does_not_supply_unless_it_was_settled_ahead() -> None:
    supplies = read_up_to(8, ahead=(12,))
    assert not supplies.has(9, "id")
    assert supplies.has(12, "id")


def test_a_parked_or_dead_call_does_not_supply() -> None:
    supplies = read_up_to(20, 10)
    row = supplies.fail(10, "u:u1", "acme", ["name"])
    assert row == SupplyRow(10, "u:u1", "acme", ["id", "name"])
    assert not supplies.has(10, "id")
    assert not supplies.has(10, "name")


def test_failing_twice_keeps_one_row() -> None:
    supplies = read_up_to(20, 10)
    assert supplies.fail(10, "u:u1", "acme", ["name"]) is supplies.fail(10, "u:u1", "acme", ["name"])


def test_a_parked_call_supplies_once_it_is_settled_and_its_row_goes() -> None:
    supplies = read_up_to(20, 10)
    supplies.fail(10, "u:u1", "acme", ["name"])
    assert supplies.settle(10, ["u:u1"], "acme", ["name"]) == {10: None}
    assert supplies.has(10, "id")


@pytest.mark.parametrize(
    ("callers", "group", "traits", "left"),
    [
        (["u:u1"], "acme", ["name"], None),
        (["u:u1"], "acme", [], ["name"]),
        (["u:u2"], "acme", ["name"], ["id"]),
        (["u:u2", "u:u1"], "acme", ["name"], None),
        (["u:u2"], "acme", [], ["id", "name"]),
        (["u:u1"], "other", ["name"], ["id", "name"]),
    ],
    ids=[
        "the same user tells all",
        "the same user tells no name",
        "another user tells the name",
        "a call that speaks for both",
        "another user tells no name",
        "of another group",
    ],
)
def test_a_later_good_call_stands_in_for_a_dead_one_as_far_as_it_tells_the_same(
    callers: list[str], group: str, traits: list[str], left: list[str] | None
) -> None:
    supplies = read_up_to(20, 10, 15)
    supplies.fail(10, "u:u1", "acme", ["name"], dead=True)
    changed = supplies.settle(15, callers, group, traits)
    if left == ["id", "name"]:
        assert changed == {}
    else:
        assert changed == {10: SupplyRow(10, "u:u1", "acme", left, True) if left else None}
    assert supplies.has(10, "id") == ("id" not in (left or ()))
    assert supplies.has(10, "name") == ("name" not in (left or ()))


def test_what_was_told_while_a_call_was_on_its_way_is_not_missing_when_it_fails() -> None:
    supplies = read_up_to(20, 10, 15)
    supplies.settle(15, ["u:u2"], "acme", ["name"])
    assert supplies.fail(10, "u:u1", "acme", ["name"]) == SupplyRow(10, "u:u1", "acme", ["id"])
    assert supplies.has(10, "name")
    assert not supplies.has(10, "id")


def test_what_was_told_before_a_call_was_read_says_nothing_of_it() -> None:
    supplies = read_up_to(10, 5, 10)
    supplies.settle(10, ["u:u1"], "acme", ["name"])
    supplies.read(11, "group")
    supplies.fail(11, "u:u1", "acme", ["name"])
    assert not supplies.has(11, "id")


def test_a_call_that_is_tried_again_takes_nothing_back_that_others_told_meanwhile() -> None:
    supplies = read_up_to(20, 10, 15)
    supplies.fail(10, "u:u1", "acme", ["name"])
    assert supplies.settle(15, ["u:u1"], "acme", ["name"]) == {10: SupplyRow(10, "u:u1", "acme", [])}
    supplies.fail(10, "u:u1", "acme", ["name"])
    assert supplies.has(10, "id")
    assert supplies.fail(10, "u:u1", "acme", ["name"], dead=True) is None
    assert supplies.has(10, "name")


def test_a_dead_call_that_others_stand_in_for_takes_nothing_back_when_it_is_replayed() -> None:
    supplies = read_up_to(20, 10, 15)
    supplies.fail(10, "u:u1", "acme", ["name"], dead=True)
    supplies.settle(15, ["u:u1"], "acme", ["name"])
    supplies.fail(10, "u:u1", "acme", ["name"])
    assert supplies.has(10, "id")


def test_only_as_much_is_remembered_as_calls_on_their_way_may_need() -> None:
    supplies = read_up_to(9, 5)
    for pos in range(10, 1000):
        supplies.read(pos, "group")
        supplies.settle(pos, ["u:u1"], "acme", ["name"])
    assert len(supplies._told) == 990
    supplies.settle(5, ["u:u1"], "acme", [])
    supplies.read(1000, "group")
    supplies.settle(1000, ["u:u1"], "acme", [])
    assert not supplies._told


def test_what_the_store_remembers_is_taken_over() -> None:
    supplies = Supplies(0, 20, ())
    supplies.restore([SupplyRow(10, "u:u1", "acme", ["name"], is_dead=True)])
    assert supplies.has(10, "id")
    assert not supplies.has(10, "name")
    assert supplies.settle(10, ["u:u2"], "acme", ["name"]) == {10: None}


# ------------------------------------------------------------ asking


def test_an_event_with_a_known_group_may_go() -> None:
    assert ask(NEEDS, event(user_id="u1"), "u:u1", 20, known(), read_up_to(20)) == Open("acme")


@pytest.mark.parametrize(
    ("ids", "key", "directory", "unsettled", "closed"),
    [
        ({"user_id": "u9"}, "u:u9", known(), (), Closed("group_unknown", "u:u9")),
        ({"user_id": "u1"}, "u:u1", known(), (10,), Closed("group_unknown", "c:10")),
        ({"user_id": "u1"}, "u:u1", known(name_pos=None), (), Closed("group_name_unknown", "g:acme", "acme")),
        ({"user_id": "u1"}, "u:u1", known(10, 12), (12,), Closed("group_name_unknown", "g:acme", "acme")),
        ({"user_id": "u1", "group_id": "new"}, "u:u1", known(), (), Closed("group_name_unknown", "g:new", "new")),
        ({"anonymous_id": "y"}, "a:y", known(), (), Closed("group_unknown", "a:y")),
        (
            {"anonymous_id": "x"},
            "a:x",
            Known(links={"a:x": [(5, "u:u2")]}),
            (),
            Closed("group_unknown", "a:x", also="u:u2"),
        ),
        ({"user_id": "u9", "anonymous_id": "y"}, "u:u9", known(), (), Closed("group_unknown", "u:u9", also="a:y")),
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
def test_a_shut_gate_says_what_it_waits_for(
    ids: dict[str, str], key: str, directory: Known, unsettled: tuple[int, ...], closed: Closed
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
    supplies = read_up_to(20, 10, 15)
    supplies.fail(10, "u:u1", "acme", ["name"])
    assert isinstance(ask(NEEDS, event(user_id="u1"), "u:u1", 20, known(), supplies), Closed)
    supplies.settle(15, ["u:u1"], "acme", ["name"])
    assert ask(NEEDS, event(user_id="u1"), "u:u1", 20, known(), supplies) == Open("acme")


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
    directory = Known(memberships={"u:u1": [Membership(10, "acme", 10)]}, companies={"acme": Company({}, since)})
    found = ask(
        NEEDS, event(user_id="u1"), "u:u1", 20, directory, read_up_to(20, *unsettled), {"name": told_as}
    )  # fmt: skip
    assert found == (Open("acme") if opens else Closed("group_name_unknown", "g:acme", "acme"))
