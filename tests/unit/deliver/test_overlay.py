"""Rows that a snapshot does not show yet are laid over those it shows."""

from __future__ import annotations

import pytest

from router.deliver.overlay import Overlay
from router.store import HELD, MAIN, PLACES, ParkedRow, Step

ASKED = ("u:u1", MAIN, -1)


def row(pos: int, reason: str = "", user_key: str = "u:u1", queue: str = MAIN) -> ParkedRow:
    return ParkedRow(
        pos,
        user_key,
        queue,
        pos * PLACES,
        "queued",
        reason,
        0,
        0,
        "web",
        "track",
        f"m{pos}",
        "",
        "",
        b"",
        None,
        "",
        0,
        0,
    )


def step(
    *, park: list[ParkedRow] | None = None, repark: list[ParkedRow] | None = None, unpark: tuple[int, ...] = ()
) -> Step:
    return Step("d", park={r.pos: r for r in park or []}, repark={r.pos: r for r in repark or []}, unpark=list(unpark))


def told(found: list[ParkedRow]) -> list[tuple[int, str]]:
    return [(r.pos, r.reason) for r in found]


def test_without_unstored_steps_rows_are_as_read() -> None:
    assert told(Overlay([]).over(ASKED, [row(1), row(2)], False)) == [(1, ""), (2, "")]


def test_new_rows_come_in_at_their_place() -> None:
    overlay = Overlay([step(park=[row(2, "new")])])
    assert told(overlay.over(ASKED, [row(1), row(3)], False)) == [(1, ""), (2, "new"), (3, "")]


def test_changed_rows_replace_those_that_were_read() -> None:
    overlay = Overlay([step(repark=[row(2, "changed")])])
    assert told(overlay.over(ASKED, [row(1), row(2)], False)) == [(1, ""), (2, "changed")]


def test_rows_that_go_are_left_out() -> None:
    assert told(Overlay([step(unpark=(1,))]).over(ASKED, [row(1), row(2)], False)) == [(2, "")]


def test_the_newest_step_has_the_last_word() -> None:
    overlay = Overlay([step(park=[row(1, "old")]), step(repark=[row(1, "new")])])
    assert told(overlay.over(ASKED, [], False)) == [(1, "new")]
    overlay = Overlay([step(park=[row(1, "old")]), step(unpark=(1,))])
    assert told(overlay.over(ASKED, [row(1)], False)) == []


@pytest.mark.parametrize("other", [row(2, user_key="u:u2"), row(2, queue=HELD)])
def test_rows_of_other_users_and_queues_stay_out(other: ParkedRow) -> None:
    assert told(Overlay([step(park=[other])]).over(ASKED, [row(1)], False)) == [(1, "")]


def test_a_row_that_went_into_the_other_queue_is_no_longer_in_this_one() -> None:
    overlay = Overlay([step(repark=[row(1, queue=HELD)])])
    assert told(overlay.over(ASKED, [row(1), row(2)], False)) == [(2, "")]
    assert told(overlay.over(("u:u1", HELD, -1), [], False)) == [(1, "")]


def test_rows_at_or_before_the_place_asked_for_stay_out() -> None:
    overlay = Overlay([step(park=[row(1), row(2), row(3)])])
    assert told(overlay.over(("u:u1", MAIN, 2 * PLACES), [], False)) == [(3, "")]


def test_behind_a_slice_with_more_to_come_nothing_is_shown_yet() -> None:
    overlay = Overlay([step(park=[row(2), row(9)])])
    assert told(overlay.over(ASKED, [row(1), row(3)], True)) == [(1, ""), (2, ""), (3, "")]


def test_behind_a_slice_of_gone_rows_with_more_to_come_nothing_is_shown_yet() -> None:
    overlay = Overlay([step(unpark=(1, 3), park=[row(9)])])
    assert told(overlay.over(ASKED, [row(1), row(3)], True)) == []
