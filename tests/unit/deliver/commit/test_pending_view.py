"""Rows that a snapshot does not show yet are laid over those it shows."""

from __future__ import annotations

import pytest

from router.deliver.commit.pending_view import PendingView
from router.store import ORDER_KEY_STEP, CommitBatch, ParkedRow
from router.vocabulary import Queue

ASKED = ("u:u1", Queue.MAIN, -1)


def row(pos: int, reason: str = "", user_key: str = "u:u1", queue: str = Queue.MAIN) -> ParkedRow:
    return ParkedRow(
        pos,
        user_key,
        queue,
        pos * ORDER_KEY_STEP,
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


def batch(
    *, park: list[ParkedRow] | None = None, repark: list[ParkedRow] | None = None, unpark: tuple[int, ...] = ()
) -> CommitBatch:
    return CommitBatch(
        "d", park={r.pos: r for r in park or []}, repark={r.pos: r for r in repark or []}, unpark=list(unpark)
    )


def seen(found: list[ParkedRow]) -> list[tuple[int, str]]:
    return [(r.pos, r.reason) for r in found]


def test_without_unstored_batches_rows_are_as_read() -> None:
    assert seen(PendingView([]).over(ASKED, [row(1), row(2)], False)) == [(1, ""), (2, "")]


def test_new_rows_come_in_at_their_place() -> None:
    view = PendingView([batch(park=[row(2, "new")])])
    assert seen(view.over(ASKED, [row(1), row(3)], False)) == [(1, ""), (2, "new"), (3, "")]


def test_changed_rows_replace_those_that_were_read() -> None:
    view = PendingView([batch(repark=[row(2, "changed")])])
    assert seen(view.over(ASKED, [row(1), row(2)], False)) == [(1, ""), (2, "changed")]


def test_rows_that_go_are_left_out() -> None:
    assert seen(PendingView([batch(unpark=(1,))]).over(ASKED, [row(1), row(2)], False)) == [(2, "")]


def test_the_newest_batch_has_the_last_word() -> None:
    view = PendingView([batch(park=[row(1, "old")]), batch(repark=[row(1, "new")])])
    assert seen(view.over(ASKED, [], False)) == [(1, "new")]
    view = PendingView([batch(park=[row(1, "old")]), batch(unpark=(1,))])
    assert seen(view.over(ASKED, [row(1)], False)) == []


@pytest.mark.parametrize("other", [row(2, user_key="u:u2"), row(2, queue=Queue.HELD)])
def test_rows_of_other_users_and_queues_stay_out(other: ParkedRow) -> None:
    assert seen(PendingView([batch(park=[other])]).over(ASKED, [row(1)], False)) == [(1, "")]


def test_a_row_that_went_into_the_other_queue_is_no_longer_in_this_one() -> None:
    view = PendingView([batch(repark=[row(1, queue=Queue.HELD)])])
    assert seen(view.over(ASKED, [row(1), row(2)], False)) == [(2, "")]
    assert seen(view.over(("u:u1", Queue.HELD, -1), [], False)) == [(1, "")]


def test_rows_at_or_before_the_place_asked_for_stay_out() -> None:
    view = PendingView([batch(park=[row(1), row(2), row(3)])])
    assert seen(view.over(("u:u1", Queue.MAIN, 2 * ORDER_KEY_STEP), [], False)) == [(3, "")]


def test_behind_a_slice_with_more_to_come_nothing_is_shown_yet() -> None:
    view = PendingView([batch(park=[row(2), row(9)])])
    assert seen(view.over(ASKED, [row(1), row(3)], True)) == [(1, ""), (2, ""), (3, "")]


def test_behind_a_slice_of_gone_rows_with_more_to_come_nothing_is_shown_yet() -> None:
    view = PendingView([batch(unpark=(1, 3), park=[row(9)])])
    assert seen(view.over(ASKED, [row(1), row(3)], True)) == []
