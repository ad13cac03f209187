"""Reading the log while a group is being forgotten."""

from __future__ import annotations

from router.store import slot_of_event
from router.store.forgotten import Forgotten
from router.store.regulation import Regulation, Step
from router.store.rows import LogRow
from router.store.shards import slot_of

NAMES_ACME = b'{}\n{"groupId":"acme"}'
IS_NO_JSON = b'{}\n{"groupId":'
"""Whoever opens it fails."""


def forgetting(*keys: str, bound: int) -> Forgotten:
    forgotten = Forgotten()
    forgotten.begin(Regulation("r1", "", "", 1, 0, bound, Step.TOOLS, [], keys=list(keys)))
    return forgotten


def row(pos: int, body: bytes) -> LogRow:
    return LogRow(pos, 0, "web", "track", "u:u1", "m", body)


def test_an_event_that_is_newer_than_every_group_that_is_forgotten_is_not_opened() -> None:
    newer = row(11, IS_NO_JSON)
    assert forgetting("g:acme", bound=10).blanked([newer]) == [newer]


def test_nor_is_any_event_while_people_are_forgotten() -> None:
    older = row(9, IS_NO_JSON)
    assert forgetting("u:u2", bound=10).blanked([older]) == [older]


def test_an_event_of_the_group_up_to_the_demand_says_nothing_more_than_the_slot_of_its_user() -> None:
    [left] = forgetting("g:acme", bound=10).blanked([row(10, NAMES_ACME)])
    assert (left.user_key, left.message_id, left.body) == ("", "", b'{"slot":125}\n')
    assert slot_of_event(left) == slot_of("u:u1")
