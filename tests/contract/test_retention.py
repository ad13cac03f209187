"""Retention: what is settled and old goes, slice by slice; what anybody still needs stays."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from router.store import AttemptRow, CommitBatch, DeadLetterFilter, ParkedOutcome, ReplayRow
from router.store.postgres import trim_rows
from router.store.sqlite import group_transaction, retention
from router.vocabulary import FOREVER_MS
from tests.contract.rig import Gated, Plain, Rig, open_rig

DAY = 86_400


pytestmark = pytest.mark.usefixtures("backend")
only_sqlite = pytest.mark.only_sqlite  # these count what goes with one commit


async def rows(rig: Rig, table: str) -> int:
    """How many rows are left once all that is due was trimmed."""
    [n] = await numbers(rig, f"SELECT count(*) FROM {table}")
    return n


async def numbers(rig: Rig, sql: str) -> list[int]:
    await rig.store.tidy()
    with closing(rig.store.image()) as db:
        return [int(row[0]) for row in db.execute(sql)]


async def tell(rig: Rig, name: str, n: int) -> None:
    calls = [rig.make("track", f"{name}{i}", userId=f"u{i % 7}", event="E") for i in range(n)]
    await rig.accept(calls)
    await rig.quiet()


@pytest.fixture(autouse=True)
def merge_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.store.sqlite.dedupe.MERGE_AT", 10)


async def test_settled_events_go_after_the_retention_and_the_ledger_stays_as_it_is(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.start(Plain)
        await rig.runner.worker()
        await tell(rig, "old", 100)
        rig.clock.advance(8 * DAY)
        for n in range(12):
            await tell(rig, f"new{n}-", 10)
        ledger = await rig.quiet()
        assert ledger["delivered"] == 220
        assert await rows(rig, "log") == 120
        assert await rig.store.queries.message("old0", None, ["d"]) is None
        assert await rig.fate("new0-0") == ("delivered", "")


async def test_a_destination_that_is_behind_keeps_the_log_whole_and_gets_it_all(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.start(Plain)
        await rig.runner.pause()
        await tell(rig, "old", 50)
        rig.clock.advance(30 * DAY)
        await tell(rig, "new", 30)
        assert await rows(rig, "log") == 80
        await rig.runner.resume()
        assert (await rig.quiet())["delivered"] == 80


async def test_a_destination_that_was_removed_holds_the_log_no_longer_than_the_retention(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.start(Plain)
        await rig.runner.pause()
        await tell(rig, "old", 50)
        await rig.stop()
        rig.store.keep_for([])
        rig.clock.advance(8 * DAY)
        await tell(rig, "new", 30)
        await tell(rig, "newer", 30)
        assert await rows(rig, "log") == 60


async def test_held_events_outlive_the_log(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.start(Gated)
        await rig.runner.worker()
        await tell(rig, "old", 20)
        rig.clock.advance(8 * DAY)
        await tell(rig, "new", 20)
        assert await rows(rig, "log") == 20
        assert await rig.fate("old3") == ("held", "group_unknown")
        await rig.call("group", "g", userId="u3", groupId="acme", traits={"name": "Acme"})
        await rig.quiet()
        assert [m for m in rig.vendor.ids() if m.startswith("old")] == ["old3", "old10", "old17"]


@only_sqlite
async def test_a_commit_trims_a_slice_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "LEAST_ROWS", 5)
    async with open_rig(tmp_path) as rig:
        await tell(rig, "old", 60)
        rig.clock.advance(8 * DAY)
        await rig.call("track", "new0", userId="u", event="E")
        assert rig.store.number("SELECT count(*) FROM log") == 56
        await rig.call("track", "new1", userId="u", event="E")
        assert rig.store.number("SELECT count(*) FROM log") == 52


@only_sqlite
async def test_of_the_commits_within_a_quarter_of_a_second_one_trims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_transaction, "TRIM_PAUSE_MS", 250)
    monkeypatch.setattr(retention, "LEAST_ROWS", 5)
    async with open_rig(tmp_path) as rig:
        await tell(rig, "old", 60)
        rig.clock.advance(8 * DAY)
        for n, left in enumerate((56, 57, 58)):
            await rig.call("track", f"new{n}", userId="u", event="E")
            assert rig.store.number("SELECT count(*) FROM log") == left
        rig.clock.advance(0.25)
        await rig.call("track", "new3", userId="u", event="E")
        assert rig.store.number("SELECT count(*) FROM log") == 53, "twice the three that were stored since: six"


@only_sqlite
async def test_a_commit_of_many_events_trims_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_transaction, "TRIM_PAUSE_MS", 250)
    monkeypatch.setattr(group_transaction, "TRIM_ROWS", 10)
    monkeypatch.setattr(retention, "LEAST_ROWS", 5)
    async with open_rig(tmp_path) as rig:
        await tell(rig, "old", 60)
        rig.clock.advance(8 * DAY)
        await rig.call("track", "new", userId="u", event="E")
        await tell(rig, "many", 10)
        assert rig.store.number("SELECT count(*) FROM log") == 46, "60 and 11, less 5 and twice 10"


@only_sqlite
async def test_what_is_not_in_the_index_of_message_ids_yet_is_not_trimmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.store.sqlite.dedupe.MERGE_AT", 1000)
    async with open_rig(tmp_path) as rig:
        await tell(rig, "old", 60)
        rig.clock.advance(8 * DAY)
        await tell(rig, "new", 10)
        assert await rows(rig, "log") == 70


async def test_memberships_that_ended_before_the_oldest_event_go_and_the_newest_stays(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.start(Plain)
        await rig.runner.worker()
        for n in range(30):
            await rig.call("group", f"g{n}", userId="u1", groupId=f"group-{n}")
        await rig.quiet()
        assert await rows(rig, "membership") == 30
        rig.clock.advance(8 * DAY)
        for n in range(12):
            await tell(rig, f"new{n}-", 10)
        assert await rows(rig, "membership") == 1
        known = await rig.store.known([("u:u1", 1 << 62)], [])
        assert [membership.group_id for membership in known.memberships["u:u1"]] == ["group-29"]


async def test_memberships_that_a_held_event_may_ask_for_stay(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.start(Gated)
        await rig.runner.worker()
        await rig.call("group", "before", userId="u1", groupId="first")
        await rig.call("track", "held", userId="u1", event="E")
        for n in range(30):
            await rig.call("group", f"g{n}", userId="u1", groupId=f"group-{n}")
        rig.clock.advance(8 * DAY)
        for n in range(12):
            await tell(rig, f"new{n}-", 10)
        known = await rig.store.known([("u:u1", 2)], [])
        assert next(m.group_id for m in known.memberships["u:u1"]) == "first"


async def test_attempts_and_late_outcomes_go_as_fast_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "LEAST_ROWS", 2)
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.ms)
        for n in range(40):
            await store_step(rig, n, rows=25)
            rig.clock.advance(DAY)
        assert await rows(rig, "attempt") <= 10 * 25
        assert await rows(rig, "outcome") <= 10 * 25


async def test_no_more_attempts_are_kept_than_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "LEAST_ROWS", 2)
    for module in (retention, trim_rows):
        monkeypatch.setattr(module, "KEPT_ATTEMPTS", 60)
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.ms)
        for n in range(20):
            await store_step(rig, n, rows=25)
        assert await rows(rig, "attempt") <= 60 + 25
        assert await numbers(rig, "SELECT max(pos) FROM attempt") == [20 * 25], "the oldest ones went"


async def store_step(rig: Rig, n: int, rows: int) -> None:
    """So many attempts and late outcomes, none of which an append goes with."""
    step = CommitBatch("d", at=rig.clock.ms)
    for pos in range(n * rows + 1, (n + 1) * rows + 1):
        step.attempts.append(AttemptRow(pos, rig.clock.ms, 1, 503, "", "status_503"))
        step.late.append(ParkedOutcome(pos, "website", f"m{pos}", "delivered", ""))
    await rig.store.commit(step)


@pytest.mark.parametrize(("pos", "groups_pos", "kept_from"), [(3, 9, 4), (9, FOREVER_MS, 10), (9, 5, 6)])
async def test_a_running_replay_keeps_what_either_of_its_rounds_has_still_to_read(
    tmp_path: Path, pos: int, groups_pos: int, kept_from: int
) -> None:
    async with open_rig(tmp_path) as rig:
        for n in range(20):
            await tell(rig, f"old{n}-", 1)
        await rig.store.cursor("d", rig.clock.ms)
        job = ReplayRow("span", DeadLetterFilter(), 3, 20, pos, 17, 0, "running", 0, groups_pos=groups_pos)
        await rig.store.commit(CommitBatch("d", pos=20, replay=job, at=rig.clock.ms))
        rig.clock.advance(8 * DAY)
        await tell(rig, "new", 1)
        assert await numbers(rig, "SELECT min(pos) FROM log") == [kept_from]
