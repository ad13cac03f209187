"""Forgetting people at one destination with a real store and a real worker: what is erased, what is left, and what others notice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from router.accept import Acceptor
from router.deliver import runner
from router.deliver.runner import ReplayOrder
from router.event import Discard
from router.judge import Forwarder, Judge, SourcePlan, SourcePlans, ViolationReport
from router.plans import read_plan
from router.plugin import Context, Delivered, Event, Item, Outcome, Pause, Reject, RetryLater, hookimpl
from router.store import CommitBatch, DeadLetterFilter, Demand, Regulation
from router.store.regulation import Step
from router.store.sqlite import forget_rows, forget_texts, scrub
from router.store.sqlite.erasure import READ_ELSEWHERE
from router.store.sqlite.regulation_file import path_of
from tests.contract.rig import Gated, Plain, Rig, comes_true, line, open_rig
from tests.contract.simulation.invariants import rows_and_counters
from tests.patience import HANG_S

pytestmark = pytest.mark.usefixtures("backend")
only_sqlite = pytest.mark.only_sqlite


def demand(*keys: str, id: str = "r1", **more: Any) -> Demand:
    return Demand(id, "DELETE_INTERNAL", "USER_ID", keys, deletes=True, **more)


async def forget(rig: Rig, *keys: str, **more: Any) -> Regulation:
    """Forget these people, to the end."""
    regulation = await rig.store.people.begin(demand(*keys, **more))
    await rig.runner.forget(regulation)
    return await finish(rig, regulation)


async def finish(rig: Rig, regulation: Regulation) -> Regulation:
    while regulation.is_under_way:
        regulation = await rig.store.erasure.erase_on(regulation.id)
    return regulation


async def crash_after(rig: Rig, regulation: Regulation, steps: int) -> None:
    """The process dies once so many steps of it are done."""
    for step in range(steps):
        if step == 0:
            await rig.runner.forget(regulation)
        elif regulation.is_under_way:
            regulation = await rig.store.erasure.erase_on(regulation.id)
    await rig.crash()


async def go_on(rig: Rig) -> None:
    """What a start does with what is left."""
    for left in await rig.store.erasure.resume():
        await rig.store.erasure.erase_at("d", left.id)
        await finish(rig, left)


def consistent(rig: Rig) -> None:
    with closing(rig.store.image()) as db:
        rows_and_counters(db)


def files_with(rig: Rig, *words: str) -> list[str]:
    """Words of these that the store holds, in any part of it."""
    return rig.store.holds(*words)


def beside(rig: Rig) -> str:
    return path_of(rig.store.path).read_text()


async def a_life(rig: Rig) -> None:
    """user-one has three delivered events, two held and one dead; user-two has one delivered and one held."""
    rig.vendor.answer = lambda bodies: Reject("no", "vendor said no") if bodies[0]["m"] == "bad" else good()
    for message_id in ("one-1", "one-2", "one-3", "bad"):
        await rig.call("identify", message_id, userId="user-one", anonymousId="anon-one", traits={"e": "secret-text"})
    await rig.call("identify", "two-1", userId="user-two")
    for user, message_id in (("user-one", "held-1"), ("user-one", "held-2"), ("user-two", "held-3")):
        await rig.call("track", message_id, userId=user, event="E", properties={"p": "secret-text"})
    await rig.quiet()


def good() -> Outcome:
    return Delivered()


async def test_the_seven_add_up_as_before_and_nobody_is_held_or_dead(rig: Rig) -> None:
    rig.start(Gated)
    await a_life(rig)
    before = await rig.quiet()
    assert (before["delivered"], before["held"], before["dead"]) == (4, 3, 1)
    done = await forget(rig, "u:user-one")
    after = await rig.quiet()
    assert (after["delivered"], after["held"], after["dead"]) == (4, 1, 3)
    assert done.counts == {"directory": 2, "waiting": 2, "dead": 1, "events": 6}
    assert (await rig.store.queries.dead("d", DeadLetterFilter(), None))["items"] == []
    assert [row["user"] for row in (await rig.store.queries.held("d", None, ""))["users"]] == ["user:user-two"]
    consistent(rig)


async def test_why_tells_what_became_of_an_event_and_that_its_person_was_forgotten(rig: Rig) -> None:
    rig.start(Gated)
    await a_life(rig)
    await forget(rig, "u:user-one")
    assert await rig.fate("held-1") == ("dead", "forgotten")
    assert await rig.fate("bad") == ("dead", "forgotten")
    assert await rig.fate("one-1") == ("delivered", "")
    told = await rig.store.queries.message("held-1", None, ["d"])
    assert told is not None
    assert (told["forgotten"], told["type"], told["user_id"]) == (True, "track", None)
    other = await rig.store.queries.message("two-1", None, ["d"])
    assert other is not None
    assert "forgotten" not in other


async def test_no_file_of_the_store_holds_a_word_of_them(rig: Rig) -> None:
    rig.start(Gated)
    await a_life(rig)
    words = ("user-one", "anon-one", "secret-text", "held-1", "one-1")
    assert files_with(rig, "user-one", "secret-text") == ["user-one", "secret-text"]
    await forget(rig, "u:user-one")
    assert files_with(rig, "user-two", "held-3") == ["user-two", "held-3"], "others are kept"
    with closing(rig.store.image()) as db:
        theirs = "SELECT count(*) FROM log WHERE instr(body, 'secret-text') OR user_key = 'u:user-one'"
        assert db.execute(theirs).fetchone() == (1,), "the held event of user-two says the same word"
    assert files_with(rig, *(word for word in words if word != "secret-text")) == []


async def test_what_vendors_and_discards_said_of_them_is_emptied(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: Reject("no", "unknown: user-one, user-two")
    rig.start(Plain)
    await rig.call("identify", "two", userId="user-two")
    discard = Discard(
        "website", 1, "invalid", "traits is no object", "m-x", "identify", '{"userId":"user-one","traits":7'
    )
    await rig.store.append([], [], [discard])
    await rig.quiet()
    await forget(rig, "u:user-one")
    [letter] = (await rig.store.queries.dead("d", DeadLetterFilter(), None))["items"]
    assert (letter["message_id"], letter["detail"].strip()) == ("two", "(forgotten)")
    [told] = (await rig.store.input_reports.discards(None, 0))["items"]
    assert (told["code"], told["excerpt"], told["message_id"]) == ("invalid", "", "")
    assert files_with(rig, "user-one") == []
    consistent(rig)


@only_sqlite
async def test_many_texts_that_name_them_are_emptied_in_slices(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forget_texts, "SLICE", 2, raising=False)
    rows: list[int] = []
    erase = forget_texts.erase

    def counted(db: sqlite3.Connection, found: Any) -> int:
        before = db.total_changes
        erased = erase(db, found)
        rows.append(db.total_changes - before)
        return erased

    monkeypatch.setattr(forget_texts, "erase", counted)
    excerpt = '{"userId":"user-one","traits":7'
    discards = [Discard("website", n, "invalid", "words", f"m-{n}", "identify", excerpt) for n in range(5)]
    await rig.store.append([], [], discards)
    rig.start(Plain)
    done = await forget(rig, "u:user-one")
    assert (rows, done.counts["texts"], files_with(rig, "user-one")) == ([2, 2, 1], 5, [])


async def test_what_a_vendor_said_of_their_messages_is_emptied(rig: Rig) -> None:
    """A vendor that quotes a batch names others, whose letters stay, and events without a user."""
    rig.vendor.answer = lambda bodies: Reject("no", json.dumps({"got": "id-of-one and id-of-two"}))
    rig.start(Plain)
    await rig.call("identify", "id-of-two", userId="user-two")
    await rig.call("track", "id-of-one", anonymousId="anon-one", event="E")
    await rig.call("identify", "i1", userId="user-one", anonymousId="anon-one")
    await rig.quiet()
    done = await forget(rig, "u:user-one")
    [letter] = (await rig.store.queries.dead("d", DeadLetterFilter(), None))["items"]
    assert (letter["message_id"], letter["detail"].strip()) == ("id-of-two", "(forgotten)")
    assert files_with(rig, "id-of-one") == []
    assert done.counts["texts"] == 2, "the letter, and the attempt behind it"
    consistent(rig)


async def test_what_is_on_its_way_is_waited_for_and_ends_as_forgotten(rig: Rig) -> None:
    answered = asyncio.Event()

    async def slow(bodies: list[dict[str, Any]]) -> Any:
        if bodies[0]["user"] == "user-one":
            await answered.wait()
        return good()

    rig.vendor.answer = slow
    rig.start(Plain)
    await rig.call("identify", "m1", userId="user-one")
    await rig.call("identify", "m2", userId="user-one")
    assert await comes_true(rig, lambda: bool(rig.vendor.calls))
    regulation = await rig.store.people.begin(demand("u:user-one"))
    forgetting = asyncio.create_task(rig.runner.forget(regulation))
    await rig.vendor_moves()
    assert not forgetting.done(), "it is waited for"
    answered.set()
    async with asyncio.timeout(HANG_S):
        await forgetting
    await finish(rig, regulation)
    ledger = await rig.quiet()
    assert (ledger["dead"], ledger["queued"], ledger["delivered"]) == (2, 0, 0)
    assert rig.vendor.ids() == ["m1"], "nothing was sent after it"
    assert [await rig.fate(m) for m in ("m1", "m2")] == [("dead", "forgotten")] * 2
    consistent(rig)


async def test_a_letter_that_waits_for_its_commit_goes_too(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer is busy for longer than the answer to a command waits: it rewrites the store, say."""
    monkeypatch.setattr(runner, "STORED_S", 0.0)
    rig.vendor.answer = lambda bodies: Reject("no", "words")
    rig.start(Plain)
    may_store, waiting = asyncio.Event(), asyncio.Event()
    claim = (await rig.runner.worker()).context.claim
    commit = claim.commit

    async def commit_late(batch: CommitBatch) -> list[tuple[str, str]]:
        waiting.set()
        await may_store.wait()
        return await commit(batch)

    monkeypatch.setattr(claim, "commit", commit_late)
    await rig.call("identify", "m1", userId="user-one")
    await waiting.wait()
    regulation = await rig.store.people.begin(demand("u:user-one"))
    forgetting = asyncio.create_task(rig.runner.forget(regulation))
    await rig.vendor_moves(20)
    may_store.set()
    await forgetting
    await finish(rig, regulation)
    await rig.quiet()
    assert files_with(rig, "user-one", "m1") == []
    assert await rig.fate("m1") == ("dead", "forgotten")
    consistent(rig)


async def test_a_destination_that_is_behind_never_sends_what_it_had_not_read(rig: Rig) -> None:
    rig.start(Plain)
    await rig.quiet()
    await rig.runner.pause()
    for n in range(5):
        await rig.call("identify", f"m{n}", userId="user-one")
        await rig.call("identify", f"n{n}", userId="user-two")
    await rig.quiet()
    await forget(rig, "u:user-one")
    await rig.runner.resume()
    ledger = await rig.quiet()
    assert (ledger["delivered"], ledger["dead"], ledger["queued"]) == (5, 5, 0)
    assert rig.vendor.ids() == [f"n{n}" for n in range(5)]
    assert await rig.fate("m3") == ("dead", "forgotten")
    consistent(rig)


async def test_between_the_demand_and_the_erasing_of_the_log_nobody_reads_them(rig: Rig) -> None:
    await rig.call("identify", "m1", userId="user-one")
    await rig.call("identify", "n1", userId="user-two")
    await rig.store.people.begin(demand("u:user-one"))
    rows = await rig.store.read(0, 10, 1_000_000)
    calls = [(row.user_key, row.body.partition(b"\n")[2] != b"") for row in rows]
    assert calls == [("", False), ("u:user-two", True)]


async def test_a_group_call_that_was_not_sent_opens_no_gate_for_others(rig: Rig) -> None:
    rig.start(Gated)
    await rig.quiet()
    await rig.runner.pause()
    await rig.call("group", "g1", userId="user-one", groupId="acme", traits={"name": "Acme"})
    await rig.call("group", "g2", userId="user-two", groupId="acme")
    await rig.call("track", "t2", userId="user-two", event="E")
    await forget(rig, "u:user-one")
    await rig.runner.resume()
    await rig.quiet()
    assert rig.vendor.ids() == ["g2"]
    assert await rig.fate("t2") == ("held", "group_name_unknown")
    await rig.call("group", "g3", userId="user-two", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert rig.vendor.ids() == ["g2", "g3", "t2"]
    consistent(rig)


async def test_a_group_call_that_was_delivered_keeps_its_gate_open_for_others(rig: Rig) -> None:
    rig.start(Gated)
    await rig.call("group", "g1", userId="user-one", groupId="acme", traits={"name": "Acme"})
    await rig.call("group", "g2", userId="user-two", groupId="acme")
    await rig.quiet()
    await forget(rig, "u:user-one")
    await rig.call("track", "t2", userId="user-two", event="E")
    await rig.quiet()
    assert await rig.fate("t2") == ("delivered", "")


async def test_what_arrives_after_the_demand_is_new_and_kept(rig: Rig) -> None:
    rig.start(Gated)
    await rig.call("track", "old", userId="user-one", event="E")
    await rig.quiet()
    regulation = await rig.store.people.begin(demand("u:user-one"))
    await rig.call("track", "new", userId="user-one", event="E")
    await rig.quiet()
    await rig.runner.forget(regulation)
    await rig.quiet()
    consistent(rig)
    await rig.call("group", "g", userId="user-one", groupId="acme", traits={"name": "Acme"})
    await finish(rig, regulation)
    await rig.quiet()
    assert rig.vendor.ids() == ["g", "new"]
    assert await rig.fate("old") == ("dead", "forgotten")
    consistent(rig)


async def test_what_a_shared_browser_holds_goes_with_the_anonymous_id(rig: Rig) -> None:
    rig.start(Gated)
    await rig.call("identify", "i1", userId="user-one", anonymousId="anon")
    await rig.call("track", "t1", anonymousId="anon", event="E")
    await rig.call("identify", "i2", userId="user-two", anonymousId="anon")
    await rig.call("track", "t2", userId="user-two", event="E")
    await rig.quiet()
    await forget(rig, "u:user-two")
    await rig.quiet()
    assert [await rig.fate(m) for m in ("t1", "t2")] == [("dead", "forgotten")] * 2
    consistent(rig)


async def test_what_another_user_s_lane_took_over_after_the_demand_goes_too(rig: Rig) -> None:
    """A destination is reached a while after the demand: a reload or another demand may come before it."""
    rig.start(Gated)
    await rig.call("identify", "i1", userId="user-one", anonymousId="anon")
    await rig.call("track", "t1", anonymousId="anon", event="E", properties={"p": "secret-text"})
    await rig.quiet()
    regulation = await rig.store.people.begin(demand("u:user-one"))
    await rig.call("identify", "i2", userId="user-two", anonymousId="anon")
    await rig.quiet()
    await rig.runner.forget(regulation)
    assert await rig.fate("t1") == ("dead", "forgotten")
    await finish(rig, regulation)
    await rig.call("group", "g2", userId="user-two", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert rig.vendor.ids() == ["i1", "i2", "g2"]
    consistent(rig)


async def test_a_retried_event_and_those_behind_it_go(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("busy", after_s=60) if bodies[0]["user"] == "user-one" else good()
    rig.start(Plain)
    for n in range(4):
        await rig.call("identify", f"m{n}", userId="user-one")
    await rig.quiet()
    await forget(rig, "u:user-one")
    rig.vendor.answer = lambda bodies: good()
    ledger = await rig.pass_time(600, 60)
    assert (ledger["retrying"], ledger["queued"], ledger["dead"]) == (0, 0, 4)
    assert rig.vendor.ids() == []
    consistent(rig)


async def test_a_replay_of_the_time_before_sends_nothing_of_them(rig: Rig) -> None:
    rig.start(Plain)
    await rig.call("identify", "m1", userId="user-one")
    await rig.call("identify", "n1", userId="user-two")
    await rig.quiet()
    await forget(rig, "u:user-one")
    await rig.runner.replay(ReplayOrder(since_ms=0))
    await rig.quiet()
    assert rig.vendor.ids() == ["m1", "n1", "n1"]


async def test_a_message_that_is_sent_again_is_a_duplicate_as_before(rig: Rig) -> None:
    rig.start(Plain)
    await rig.call("identify", "m1", userId="user-one")
    await rig.quiet()
    await forget(rig, "u:user-one")
    await rig.call("identify", "m1", userId="user-one")
    await rig.quiet()
    assert rig.vendor.ids() == ["m1"]


class Remembering(Plain):
    """Counts the calls of each user."""

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        return f"calls of {event.user_id}"

    @hookimpl
    def identify(self, event: Event, context: Context) -> Item:
        context.state = {"user": event.user_id, "n": ((context.state or {}).get("n") or 0) + 1}
        return line(event, context)


@pytest.mark.parametrize("waits", [False, True])
async def test_the_reason_of_a_pause_that_names_them_is_emptied_and_the_pause_stays(rig: Rig, waits: bool) -> None:
    """`waits`: the destination also has an event of the person, so its worker ends before that is erased."""
    rig.start(Plain)
    rig.vendor.answer = lambda bodies: Pause("vendor_says", "no permission for user-one")
    await rig.call("identify", "two", userId="user-two")
    if waits:
        await rig.call("identify", "one", userId="user-one")
    await rig.quiet()
    assert "user-one" in rig.runner.status.detail
    await forget(rig, "u:user-one")
    await rig.quiet()
    status = rig.runner.status
    assert (status.state, status.reason, status.detail) == ("paused", "vendor_says", "")
    assert files_with(rig, "user-one") == []
    await rig.crash()
    rig.start(Plain)
    await rig.quiet()
    assert (rig.runner.status.state, rig.runner.status.detail) == ("paused", "")


async def test_keyed_state_that_names_them_goes_from_store_and_memory(rig: Rig) -> None:
    rig.start(Remembering)
    for message_id, user in (("m1", "user-one"), ("n1", "user-two"), ("x1", "user-one-more")):
        await rig.call("identify", message_id, userId=user)
    await rig.quiet()
    await forget(rig, "u:user-one")
    keys = [f"calls of {user}" for user in ("user-one", "user-two", "user-one-more")]
    assert set(await rig.store.state("d", *keys)) == set(keys[1:])
    await rig.call("identify", "m2", userId="user-one")
    await rig.quiet()
    assert b'"n":1' in (await rig.store.state("d", keys[0]))[keys[0]]


async def test_stored_consent_goes_with_its_person(rig: Rig) -> None:
    rig.acceptor = Acceptor(rig.store.log, rig.store.people.suppressions, rig.log, follow=frozenset)
    rig.start(Plain)
    for user in ("user-one", "user-two"):
        context = {"consent": {"categoryPreferences": {"ads": False}}}
        await rig.call("identify", f"m-{user}", userId=user, context=context)
    await rig.quiet()
    await forget(rig, "u:user-one")
    with closing(rig.store.image()) as db:
        assert db.execute("SELECT user_key FROM consent").fetchall() == [("u:user-two",)]


async def test_a_worker_that_has_nothing_of_them_goes_on(rig: Rig) -> None:
    rig.start(Plain)
    await rig.call("identify", "m1", userId="user-one")
    await rig.quiet()
    worker = await rig.runner.worker()
    await forget(rig, "u:user-one")
    assert await rig.runner.worker() is worker


async def test_somebody_unknown_is_forgotten_without_a_word(rig: Rig) -> None:
    rig.start(Plain)
    await rig.quiet()
    done = await forget(rig, "u:nobody")
    assert (done.counts, done.keys, done.near) == ({}, [], [])


@only_sqlite
async def test_who_reads_the_store_without_a_pause_keeps_it_from_its_end_which_it_says(rig: Rig) -> None:
    async def goes_on(regulation: Regulation, steps: int) -> Regulation:
        for _ in range(steps):
            regulation = await rig.store.erasure.erase_on(regulation.id)
        return regulation

    rig.start()
    begun = await rig.store.people.begin(demand("u:one"))
    await rig.runner.forget(begun)
    while begun.step != Step.CLEAN:
        begun = await goes_on(begun, 1)
    with closing(sqlite3.connect(rig.store.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM log").fetchone()
        await rig.call("identify", "two", userId="user-two")
        assert (await goes_on(begun, 1)).note == "", "a backup reads for a moment, too"
        held_up = await goes_on(begun, 3)
        assert (held_up.step, held_up.note) == (Step.CLEAN, READ_ELSEWHERE)
        assert await rig.store.people.find("r1") == held_up
    done = await finish(rig, held_up)
    assert (done.step, done.note) == (Step.DONE, "")


@only_sqlite
@pytest.mark.parametrize(("begins_with", "word"), [(0, "OFF"), (1, "ON"), (2, "FAST")])
async def test_deleted_text_is_overwritten_from_a_demand_to_its_end_and_then_as_before(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, begins_with: int, word: str
) -> None:
    """Builds of SQLite differ in what a connection begins with."""

    class Connection(sqlite3.Connection):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self.execute(f"PRAGMA secure_delete = {word}")

    def state(db: sqlite3.Connection) -> int:
        return int(db.execute("PRAGMA secure_delete").fetchone()[0])

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Connection))
    with closing(rig.store.image()) as db:
        assert state(db) == begins_with
        scrub.overwrite_from_now_on(db)
        assert state(db) == 1
        scrub.overwrite_no_longer(db)
        assert state(db) == begins_with


async def test_a_finished_regulation_knows_hashes_only(rig: Rig) -> None:
    rig.start(Plain)
    await rig.call("identify", "m1", userId="user-one", anonymousId="anon-one")
    await rig.quiet()
    done = await forget(rig, "u:user-one")
    hashes = [rig.store.people.suppressions.hash_of(key).hex() for key in ("u:user-one", "a:anon-one")]
    assert (done.hashes, done.keys) == (hashes, [])


@only_sqlite
async def test_a_store_that_is_too_large_to_be_rewritten_says_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub, "VACUUM_BYTES", 1)
    rig.start(Plain)
    await rig.call("identify", "m1", userId="user-one")
    await rig.quiet()
    done = await forget(rig, "u:user-one")
    assert "VACUUM" in done.note
    assert files_with(rig, "user-one", "m1") == [], "what is deleted is overwritten, also without that"


class Crash(Exception):
    """Stands for the end of the process."""


@only_sqlite
@pytest.mark.parametrize("slices", range(5))
async def test_a_crash_between_any_two_slices_of_a_destination_ends_in_the_same(
    tmp_path: Path, slices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase, left = forget_rows.erase, slices

    def erase_or_crash(*args: Any) -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            raise Crash
        return erase(*args)

    monkeypatch.setattr(forget_rows, "SLICE", 1)
    monkeypatch.setattr(forget_rows, "erase", erase_or_crash)
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.start(Gated)
        await a_life(rig)
        regulation = await rig.store.people.begin(demand("u:user-one"))
        with contextlib.suppress(Crash):
            await rig.runner.forget(regulation)
        await rig.crash()
    monkeypatch.setattr(forget_rows, "erase", erase)
    async with open_rig(tmp_path) as rig:
        await go_on(rig)
        rig.start(Gated)
        ledger = await rig.quiet()
        assert (ledger["delivered"], ledger["held"], ledger["dead"]) == (4, 1, 3)
        consistent(rig)


@pytest.mark.parametrize("steps", range(10))
async def test_a_crash_between_any_two_steps_ends_in_the_same(tmp_path: Path, steps: int) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.start(Gated)
        await a_life(rig)
        regulation = await rig.store.people.begin(demand("u:user-one"))
        await crash_after(rig, regulation, steps)
    async with open_rig(tmp_path) as rig:
        await go_on(rig)
        rig.start(Gated)
        ledger = await rig.quiet()
        assert (ledger["delivered"], ledger["held"], ledger["dead"]) == (4, 1, 3)
        assert files_with(rig, "user-one", "anon-one", "held-1") == []
        assert await rig.fate("held-1") == ("dead", "forgotten")
        [found] = await rig.store.people.newest(5)
        assert found.counts == {"directory": 2, "waiting": 2, "dead": 1, "events": 6}
        consistent(rig)


async def test_a_violation_that_was_forwarded_of_their_event_names_it_no_more(rig: Rig) -> None:
    rig.start(Plain)
    plan = read_plan([("plan", b'[{"type": "TRACK", "key": "Known", "version": 1, "jsonSchema": {}}]')])
    judge = Judge(
        SourcePlans([SourcePlan("website", plan, {}, violations_to="quality")]),
        Forwarder(rig.clock.now_ms, lambda *labels: None),
        ViolationReport(rig.clock.now_ms, lambda *names, **fields: None, lambda *labels: None),
    )
    rig.acceptor = Acceptor(rig.store.log, rig.store.people.suppressions, rig.log, judge)
    calls = [rig.make("track", f"id-of-{user}", userId=user, event="Unknown") for user in ("user-one", "user-two")]
    await rig.accept(calls)
    ledger = await rig.quiet()
    assert ledger["delivered"] == 4
    assert files_with(rig, "id-of-user-one", "id-of-user-two") == ["id-of-user-one", "id-of-user-two"]
    await forget(rig, "u:user-one")
    assert files_with(rig, "user-one") == []
    with closing(rig.store.image()) as db:
        bodies = db.execute("SELECT body FROM log WHERE user_key = 'u:schema-violations' ORDER BY pos").fetchall()
    told = [json.loads(body.partition(b"\n")[2])["properties"] for (body,) in bodies]
    assert [(one.get("eventMessageID"), one["violationType"]) for one in told] == [
        (None, "Unplanned Event"),
        ("id-of-user-two", "Unplanned Event"),
    ]
    consistent(rig)
