"""What has changed against what was told: each beginning and each end once, and neither more than once a minute."""

from __future__ import annotations

from router.explain.reasons import Actor
from router.explain.troubles import Trouble
from router.notify.changes import AGAIN_MS, Announced, Told, read_stored, stored

NOW = 1_767_700_800_000
PAUSED = Trouble("credentials", "crm", "it refuses the key", "correct the key", Actor.OPERATOR)
OPEN = Trouble("breaker_open", "crm", "fails again and again", "wait", Actor.VENDOR)


def kinds(announced: Announced, troubles: list[Trouble], now: int = NOW, codes: tuple[str, ...] = ("*",)) -> list[str]:
    """What is to be told, which is told then."""
    changes = announced.changes(troubles, now, codes)
    announced.was_told(changes, now)
    return [f"{one.kind} {one.code}" for one in changes]


def test_a_beginning_and_an_end_are_told_once() -> None:
    announced = Announced()
    assert kinds(announced, [PAUSED]) == ["began credentials"]
    assert kinds(announced, [PAUSED], NOW + 1) == []
    assert kinds(announced, [], NOW + 2) == ["recovered credentials"]
    assert kinds(announced, [], NOW + 3) == []


def test_what_is_not_told_yet_is_still_to_be_told() -> None:
    announced = Announced()
    announced.changes([PAUSED], NOW)
    assert kinds(announced, [PAUSED], NOW + 1) == ["began credentials"]


def test_several_changes_are_gathered() -> None:
    announced = Announced()
    assert kinds(announced, [PAUSED]) == ["began credentials"]
    assert kinds(announced, [OPEN], NOW + 1) == ["began breaker_open", "recovered credentials"]


def test_what_comes_and_goes_is_told_once_a_minute_and_as_it_stands_then() -> None:
    announced = Announced()
    assert kinds(announced, [PAUSED], NOW) == ["began credentials"]
    assert kinds(announced, [], NOW + 1000) == ["recovered credentials"]
    assert kinds(announced, [PAUSED], NOW + 2000) == []
    assert kinds(announced, [], NOW + 3000) == []
    assert kinds(announced, [], NOW + AGAIN_MS + 4000) == [], "it began and ended in between"
    assert kinds(announced, [PAUSED], NOW + AGAIN_MS + 5000) == ["began credentials"]


def test_only_chosen_codes_are_told_of_and_what_was_told_is_told_to_its_end() -> None:
    announced = Announced()
    assert kinds(announced, [PAUSED, OPEN], NOW, ("breaker_open",)) == ["began breaker_open"]
    assert kinds(announced, [PAUSED], NOW + 1, ("credentials_only",)) == ["recovered breaker_open"]


def test_a_restart_tells_nothing_twice_and_forgets_no_end() -> None:
    before = Announced()
    kinds(before, [PAUSED])
    after = Announced(read_stored(stored(before.told)))
    assert kinds(after, [PAUSED]) == []
    assert kinds(after, []) == ["recovered credentials"]


def test_of_a_destination_that_is_starting_nothing_is_over() -> None:
    announced = Announced([Told("credentials", "crm", NOW), Told("credentials", "other", NOW)])
    changes = announced.changes([], NOW, starting={"crm"})
    assert [one.subject for one in changes] == ["other"]


def test_what_cannot_be_read_was_never_told() -> None:
    assert read_stored(None) == read_stored(b"{") == read_stored(b'[{"code": 1}]') == []
