"""Lanes whose time has come start to drain, so many of each line at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.deliver.jobs import due_lanes
from router.deliver.jobs.due_lanes import DueLanes
from router.deliver.lanes.parked_rows import ParkedRows
from router.plugin import RetryLater
from router.store import CommitBatch
from router.testing.clock import START_MS
from router.vocabulary import LaneMode, LaneState, Line
from tests.contract.rig import Gated, open_rig
from tests.unit.deliver.parts import Parts

DUE_MS = START_MS + 5_000


class Due(Parts):
    """The parts with a real store, and the job that looks for what is due."""

    def look_with(self) -> DueLanes:
        rows = ParkedRows(self.context, self.state, self.releases)
        return DueLanes(self.context, self.state, rows)

    async def store_retries(self, users: int, after_s: float = 5.0) -> None:
        """Rows of that many users, each with one event that is tried again later."""
        for n in range(users):
            delivery = self.read(n + 1, f"u:{n:03}")
            self.outcomes.retry(delivery, RetryLater("status_503", after_s=after_s))
        batch, lanes = self.work.close_batch()
        await self.context.claim.commit(batch)
        self.work.stored()
        for lane in lanes:
            lane.leave_commit()
        for lane in self.run_queue.take(Line.LIVE, 1000):
            self.lanes.let_go(lane)
        assert len(self.lanes) == 0


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Due]:
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", START_MS)
        yield Due(Gated, rig.store)


async def test_before_its_time_nothing_drains_and_the_next_look_is_then(parts: Due) -> None:
    await parts.store_retries(1)
    job = parts.look_with()
    await job.look(START_MS)
    assert len(parts.run_queue) == 0
    assert job.next_look == DUE_MS


async def test_at_its_time_a_lane_drains_in_the_line_of_retries(parts: Due) -> None:
    await parts.store_retries(1)
    job = parts.look_with()
    await job.look(DUE_MS)
    [lane] = parts.run_queue.take(Line.RETRY, 9)
    assert (lane.key, lane.state) == ("u:000", LaneState.DRAINING)
    assert job.next_look is None


async def test_no_more_lanes_of_a_line_drain_at_a_time_than_may(parts: Due, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due_lanes, "DRAINING", 3)
    await parts.store_retries(5)
    job = parts.look_with()
    await job.look(DUE_MS)
    assert parts.lanes.draining[Line.RETRY] == 3
    assert job.next_look is None, "the rest when some of these are done"


async def test_the_rest_is_looked_for_when_some_are_done(parts: Due, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due_lanes, "DRAINING", 4)
    await parts.store_retries(6)
    job = parts.look_with()
    await job.look(DUE_MS)
    first, second, *_ = parts.run_queue.take(Line.RETRY, 9)
    parts.lanes.end_drain(first)
    await job.look(DUE_MS)
    assert parts.lanes.draining[Line.RETRY] == 3, "for one place alone nobody looks"
    parts.lanes.end_drain(second)
    await job.look(DUE_MS)
    assert parts.lanes.draining[Line.RETRY] == 4


async def test_full_places_of_one_line_keep_no_other_line_waiting(parts: Due, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due_lanes, "DRAINING", 1)
    await parts.store_retries(1)
    for n in range(3):
        parts.lanes.drain(parts.lane(f"u:released{n}"), Line.RELEASE, START_MS)
    await parts.look_with().look(DUE_MS)
    assert parts.lanes.draining[Line.RETRY] == 1


async def test_rows_that_are_done_in_memory_are_looked_at_with_the_next_commit_and_not_before(
    parts: Due, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due_lanes, "DRAINING", 2)
    await parts.store_retries(3)
    job = parts.look_with()
    await job.look(DUE_MS)
    for lane in parts.run_queue.take(Line.RETRY, 9):
        parts.lanes.free(lane)
        parts.work.mark_dirty(lane)
    await job.look(DUE_MS)
    assert job.next_look is None, "the rows of the two fill the slice until their commit is stored"
    job.stored(CommitBatch("d"), [])
    assert job.next_look == 0


async def test_a_lane_that_was_put_off_meanwhile_does_not_drain(parts: Due) -> None:
    await parts.store_retries(1)
    lane = parts.lanes.take("u:000")
    rows = ParkedRows(parts.context, parts.state, parts.releases)
    with parts.lanes.pinned([lane]):
        await rows.load_lanes([lane])
        parts.lanes.block(lane, DUE_MS + 60_000, 2, "status_503")
        await parts.look_with().look(DUE_MS)
        assert lane.state is LaneState.BLOCKED


async def test_what_a_commit_made_due_is_looked_for(parts: Due) -> None:
    job = parts.look_with()
    await job.look(START_MS)
    assert job.next_look is None
    job.stored(CommitBatch("d", opened={"g:acme": ""}), [])
    assert job.next_look == 0
    await job.look(START_MS)
    lane = parts.lane()
    parts.lanes.block(lane, DUE_MS, 1, "status_503")
    job.stored(CommitBatch("d"), [lane])
    assert job.next_look == DUE_MS


async def test_the_earliest_time_of_all_is_the_next_look(parts: Due) -> None:
    job = parts.look_with()
    await job.look(START_MS)
    job.expect(LaneMode.RETRY, DUE_MS)
    job.expect(LaneMode.RETRY, DUE_MS + 5)
    job.expect(LaneMode.WAITING, DUE_MS - 5)
    job.expect(LaneMode.WAITING, None)
    assert job.next_look == DUE_MS - 5
