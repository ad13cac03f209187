"""What is stuck is told apart from what only takes its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from router.daemon.progress import STALL_S, PiecesOfWork, Stalled, work_done
from router.deliver.runner_port import DestinationRunner
from router.store import Health


@dataclass
class Piece:
    """Something that has been at work for so long."""

    writing_s: float = 0.0
    round_s: float = 0.0


def progress(store: Piece, **runners: Piece) -> PiecesOfWork:
    by_name = cast("dict[str, DestinationRunner]", runners)
    return PiecesOfWork(cast(Health, store), lambda: by_name)


def test_nothing_is_stuck_that_waits_for_work_or_is_at_it_for_less_than_a_minute() -> None:
    assert progress(Piece(writing_s=STALL_S - 1), crm=Piece(round_s=STALL_S - 1), idle=Piece()).stalled() == []


def test_a_worker_and_the_writer_of_the_store_are_named_with_the_time_they_took() -> None:
    found = progress(Piece(writing_s=75.4), crm=Piece(round_s=61.0), idle=Piece()).stalled()
    assert found == [Stalled("store", 75.4), Stalled("crm", 61.0)]
    assert str(found[0]) == "the store's writer has been at one piece of work for 75 s"
    assert str(found[1]) == "destination crm has been at one piece of work for 61 s"


def test_work_grows_while_the_process_computes() -> None:
    before = work_done()
    while work_done() < before + 20:
        sum(range(10_000))
