"""Random stories of two nodes at one store: whichever of them is cut, killed or replaced in the middle of its work, every event comes
to one end and is counted once. And builds that are broken on purpose, which the stories must find."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from router.store import CommitBatch
from tests.contract.simulation.invariants import Broken
from tests.contract.simulation.nodes import LinkedClaim, run_nodes

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "20"))
FIRST = int(os.environ.get("SIMULATION_FIRST", "0"))
BLOCK = 10
BROKEN_SEEDS = 40


@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, BLOCK))
def test_two_nodes_bring_every_event_to_one_end(first: int) -> None:
    failed, moves, lost, refused = [], 0, 0, 0
    for seed in range(first, min(first + BLOCK, FIRST + SEEDS)):
        try:
            story = run_nodes(seed)
        except Exception as error:
            if SEEDS == 1:
                raise
            failed.append(f"seed {seed}: {type(error).__name__}: {error}")
            continue
        moves += story.moves
        lost += sum(node.link.lost for node in story.nodes)
        refused += story.refusals
    assert not failed, "\n".join(failed)
    if SEEDS >= BLOCK:  # else the stories did nothing
        assert (moves > 10, lost > 10, refused > 3) == (True, True, True), (moves, lost, refused)


@contextmanager
def retries_blindly() -> Iterator[None]:
    """A commit without an answer is sent again, whatever became of it."""

    async def commit(claim: LinkedClaim, batch: CommitBatch) -> list[tuple[str, str]]:
        await claim._link.passes()
        if claim._link.fault() == "answer":
            await claim._claim.commit(batch)
        return await claim._claim.commit(batch)

    with patch.object(LinkedClaim, "commit", commit):
        yield


@contextmanager
def has_no_fence() -> Iterator[None]:
    """Who was replaced commits as if it had been the owner all the time."""

    async def commit(claim: LinkedClaim, batch: CommitBatch) -> list[tuple[str, str]]:
        await claim._link.passes()
        claim._claim._fence.epoch, claim._claim._fence.step = await claim.place()
        return await claim._claim.commit(batch)

    with patch.object(LinkedClaim, "commit", commit):
        yield


@pytest.mark.parametrize("build", [retries_blindly, has_no_fence], ids=lambda build: build.__name__)
def test_the_stories_find_a_build_that(build: Callable[[], AbstractContextManager[Any]]) -> None:
    for seed in range(BROKEN_SEEDS):
        try:
            with build():
                run_nodes(seed)
        except (Broken, ExceptionGroup):
            return
    pytest.fail(f"by {BROKEN_SEEDS} seeds")
