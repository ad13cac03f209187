"""Which group calls count at a destination: settled ones, and what stands in for those that failed."""

from __future__ import annotations

import pytest

from router.decide import group_readiness
from router.decide.group_readiness import Announced, GroupReadiness
from router.store import GroupCallRow


def read_up_to(read_pos: int, *groups: int, start: int = 0, ahead: tuple[int, ...] = ()) -> GroupReadiness:
    """The destination has read this far; `groups` are group calls it has not settled."""
    readiness = GroupReadiness(start, start, ahead)
    for pos in range(start + 1, read_pos + 1):
        readiness.read(pos, "group" if pos in groups else "track")
    return readiness


def test_a_settled_group_call_counts() -> None:
    readiness = read_up_to(20, 10)
    assert not readiness.has(10, "id")
    readiness.settle(10, ["u:u1"], "acme", ["name"])
    assert readiness.has(10, "id")
    assert readiness.has(10, "name")


def test_everything_before_the_destinations_start_counts() -> None:
    assert read_up_to(20, start=10).has(10, "id")


def test_a_call_that_was_not_read_yet_does_not_count_unless_it_was_settled_ahead() -> None:
    readiness = read_up_to(8, ahead=(12,))
    assert not readiness.has(9, "id")
    assert readiness.has(12, "id")


def test_a_parked_call_does_not_count() -> None:
    readiness = read_up_to(20, 10)
    row = readiness.fail(10, "u:u1", "acme", ["name"])
    assert row == GroupCallRow(10, "u:u1", "acme", ("id", "name"))
    assert not readiness.has(10, "id")
    assert not readiness.has(10, "name")


def test_failing_twice_keeps_one_row() -> None:
    readiness = read_up_to(20, 10)
    assert readiness.fail(10, "u:u1", "acme", ["name"]) is readiness.fail(10, "u:u1", "acme", ["name"])


def test_a_parked_call_counts_once_it_is_settled_and_its_row_goes() -> None:
    readiness = read_up_to(20, 10)
    readiness.fail(10, "u:u1", "acme", ["name"])
    assert readiness.settle(10, ["u:u1"], "acme", ["name"]) == {10: None}
    assert readiness.has(10, "id")


@pytest.mark.parametrize(
    ("callers", "group", "traits", "left"),
    [
        (["u:u1"], "acme", ["name"], None),
        (["u:u1"], "acme", [], ("name",)),
        (["u:u2"], "acme", ["name"], ("id",)),
        (["u:u2", "u:u1"], "acme", ["name"], None),
        (["u:u2"], "acme", [], ("id", "name")),
        (["u:u1"], "other", ["name"], ("id", "name")),
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
    callers: list[str], group: str, traits: list[str], left: tuple[str, ...] | None
) -> None:
    readiness = read_up_to(20, 10, 15)
    readiness.fail(10, "u:u1", "acme", ("name",), is_dead=True)
    changed = readiness.settle(15, callers, group, traits)
    if left == ("id", "name"):
        assert changed == {}
    else:
        assert changed == {10: GroupCallRow(10, "u:u1", "acme", left, True) if left else None}
    assert readiness.has(10, "id") == ("id" not in (left or ()))
    assert readiness.has(10, "name") == ("name" not in (left or ()))


def test_what_was_told_while_a_call_was_on_its_way_is_not_missing_when_it_fails() -> None:
    readiness = read_up_to(20, 10, 15)
    readiness.settle(15, ["u:u2"], "acme", ["name"])
    assert readiness.fail(10, "u:u1", "acme", ["name"]) == GroupCallRow(10, "u:u1", "acme", ("id",))
    assert readiness.has(10, "name")
    assert not readiness.has(10, "id")


def test_what_was_told_before_a_call_was_read_says_nothing_of_it() -> None:
    readiness = read_up_to(10, 5, 10)
    readiness.settle(10, ["u:u1"], "acme", ["name"])
    readiness.read(11, "group")
    readiness.fail(11, "u:u1", "acme", ["name"])
    assert not readiness.has(11, "id")


def test_a_call_that_is_tried_again_takes_nothing_back_that_others_told_meanwhile() -> None:
    readiness = read_up_to(20, 10, 15)
    readiness.fail(10, "u:u1", "acme", ["name"])
    assert readiness.settle(15, ["u:u1"], "acme", ["name"]) == {10: GroupCallRow(10, "u:u1", "acme", ())}
    readiness.fail(10, "u:u1", "acme", ["name"])
    assert readiness.has(10, "id")
    assert readiness.fail(10, "u:u1", "acme", ("name",), is_dead=True) is None
    assert readiness.has(10, "name")


def test_a_dead_call_that_others_stand_in_for_takes_nothing_back_when_it_is_replayed() -> None:
    readiness = read_up_to(20, 10, 15)
    readiness.fail(10, "u:u1", "acme", ("name",), is_dead=True)
    readiness.settle(15, ["u:u1"], "acme", ["name"])
    readiness.fail(10, "u:u1", "acme", ["name"])
    assert readiness.has(10, "id")


def test_only_as_much_is_remembered_as_calls_on_their_way_may_need() -> None:
    readiness = read_up_to(9, 5)
    for pos in range(10, 1000):
        readiness.read(pos, "group")
        readiness.settle(pos, ["u:u1"], "acme", ["name"])
    assert len(readiness._announced) == 990
    readiness.settle(5, ["u:u1"], "acme", [])
    readiness.read(1000, "group")
    readiness.settle(1000, ["u:u1"], "acme", [])
    assert not readiness._announced


def test_what_the_store_remembers_is_taken_over() -> None:
    readiness = GroupReadiness(0, 20, ())
    readiness.restore([GroupCallRow(10, "u:u1", "acme", ("name",), is_dead=True)])
    assert readiness.has(10, "id")
    assert not readiness.has(10, "name")
    assert readiness.settle(10, ["u:u2"], "acme", ["name"]) == {10: None}


# ------------------------------------------------------------ what was refused


def test_a_call_that_ended_dead_is_refused_until_another_tells_the_same_of_its_user() -> None:
    readiness = read_up_to(20, 10, 15)
    readiness.fail(10, "u:u1", "acme", ("name",), is_dead=True)
    assert readiness.is_refused(10)
    readiness.settle(15, ["u:u1"], "acme", [])
    assert not readiness.is_refused(10)


def test_a_call_that_is_tried_again_is_not_refused() -> None:
    readiness = read_up_to(20, 10)
    readiness.fail(10, "u:u1", "acme", ["name"])
    assert not readiness.is_refused(10)


def test_a_refused_call_that_is_replayed_is_refused_no_longer() -> None:
    readiness = read_up_to(20, 10)
    readiness.fail(10, "u:u1", "acme", ("name",), is_dead=True)
    readiness.fail(10, "u:u1", "acme", ["name"])
    assert not readiness.is_refused(10)
    assert not readiness.has(10, "id")


def test_a_dead_call_of_which_only_traits_are_missing_is_not_refused() -> None:
    readiness = GroupReadiness(0, 20, ())
    readiness.restore([GroupCallRow(10, "u:u1", "acme", ("name",), is_dead=True)])
    assert not readiness.is_refused(10)


def test_a_call_settled_ahead_of_the_cursor_stands_in_for_one_from_before_it_that_fails() -> None:
    readiness = read_up_to(9, 8, ahead=(10,))
    readiness.read_pos = 10
    readiness.announce(["u:u1"], "acme", ["name"])
    assert readiness.fail(8, "u:u1", "acme", ("name",), is_dead=True) is None
    assert readiness.has(8, "id")


def test_a_trait_called_id_is_not_taken_for_the_membership() -> None:
    readiness = read_up_to(20, 10, 15)
    readiness.fail(10, "u:u1", "acme", ("id", "name"))
    readiness.settle(15, ["u:u2"], "acme", ("id",))
    assert not readiness.has(10, "id")


def test_a_call_that_stays_refused_is_so_while_it_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that looks the directory up may ask at any time."""
    readiness, left = read_up_to(20, 10, 15), group_readiness._left
    readiness.fail(10, "u:u1", "acme", ["name"], is_dead=True)
    asked: list[bool] = []

    def asks(row: GroupCallRow, announced: Announced) -> tuple[str, ...]:
        asked.append(readiness.is_refused(row.pos))
        return left(row, announced)

    monkeypatch.setattr(group_readiness, "_left", asks)
    readiness.settle(15, ["u:u2"], "acme", ["name"])
    assert asked == [True]
    assert readiness.is_refused(10)


def test_dead_calls_of_a_group_are_looked_at_once_and_not_again_for_each_later_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked, left = 0, group_readiness._left

    def counted(row: GroupCallRow, announced: Announced) -> tuple[str, ...]:
        nonlocal looked
        looked += 1
        return left(row, announced)

    readiness = read_up_to(520, *range(1, 521))
    for pos in range(1, 501):
        readiness.fail(pos, f"u:{pos}", "acme", ("name",), is_dead=True)
    monkeypatch.setattr(group_readiness, "_left", counted)
    for pos in range(501, 521):
        readiness.settle(pos, [f"u:{pos}"], "acme", ["name"])
    assert looked == 500, "by the first one, which tells the name in their place"
