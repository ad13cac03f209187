"""[consent] follow at a running worker: what waits of a user who withdraws their consent never leaves, and is taken out at once."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from router.accept import Acceptor
from router.consent import UPDATED
from router.deliver.runner import ReplayOrder
from router.plugin import Delivered, Outcome, RetryLater
from tests.contract.rig import Gated, Plain, Rig, open_rig
from tests.contract.simulation.invariants import rows_and_counters

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as rig:
        rig.acceptor = Acceptor(rig.store.log, rig.store.people.suppressions, rig.log, follow=frozenset)
        yield rig


def says(**preferences: bool) -> dict[str, Any]:
    """The context of an event with these preferences."""
    return {"consent": {"categoryPreferences": preferences}}


YES, NO = says(ads=True), says(ads=False)
WITHDRAWN = ("filtered", "consent_withdrawn")


def takes_all(bodies: list[dict[str, Any]]) -> Outcome:
    return Delivered()


async def start(rig: Rig, plugin: type[Any] = Gated, **tables: Any) -> None:
    """Run the destination; what is accepted from here on is its own."""
    rig.start(plugin, **{"consent": ["ads"], "follow": True, **tables})
    await rig.runner.worker()


async def track(rig: Rig, message_id: str, user: str = "u", **more: Any) -> None:
    await rig.call("track", message_id, **{"userId": user, "event": "E", "context": YES, **more})


async def withdraw(rig: Rig, message_id: str = "no", user: str = "u", **more: Any) -> None:
    await rig.call("track", message_id, **{"userId": user, "event": UPDATED, "context": NO, **more})


async def group(rig: Rig, message_id: str, user: str = "u") -> None:
    await rig.call("group", message_id, userId=user, groupId="acme", traits={"name": "Acme"})


# ---------------------------------------------------------------- what waits is taken out


async def test_what_is_held_of_a_user_who_withdraws_is_taken_out_and_nothing_of_others(rig: Rig) -> None:
    await start(rig)
    await track(rig, "t1")
    await track(rig, "t2")
    await track(rig, "other", "v")
    await rig.quiet()
    await withdraw(rig)
    ledger = await rig.quiet()
    assert await rig.fate("t1") == await rig.fate("t2") == WITHDRAWN
    assert await rig.fate("no") == ("filtered", "consent")
    assert await rig.fate("other") == ("held", "group_unknown")
    assert (ledger["held"], ledger["filtered"], ledger["queued"]) == (1, 3, 0)
    await group(rig, "g")
    await group(rig, "gv", "v")
    await rig.quiet()
    assert rig.vendor.ids() == ["g", "gv", "other"]


async def test_what_is_tried_again_is_taken_out_before_it_is_due(rig: Rig) -> None:
    await start(rig, Plain)
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    await track(rig, "t1")
    await track(rig, "behind")
    await rig.quiet()
    assert await rig.fate("t1") == ("retrying", "status_503")
    before = len(rig.vendor.calls)
    await withdraw(rig)
    ledger = await rig.quiet()
    assert await rig.fate("t1") == await rig.fate("behind") == WITHDRAWN
    assert (ledger["retrying"], ledger["filtered"], len(rig.vendor.calls)) == (0, 3, before)
    rig.vendor.answer = takes_all
    await track(rig, "later")
    await rig.pass_time(60)
    assert rig.vendor.ids() == ["later"]


async def test_a_destination_that_is_paused_gives_up_what_it_holds_too(rig: Rig) -> None:
    await start(rig)
    await track(rig, "t")
    await rig.quiet()
    await rig.runner.pause()
    await withdraw(rig)
    ledger = await rig.quiet()
    assert (await rig.fate("t"), ledger["held"]) == (WITHDRAWN, 0)
    assert await rig.fate("no") == ("queued", "paused")


async def test_what_a_paused_destination_reads_after_the_withdrawal_does_not_stay_held(rig: Rig) -> None:
    await start(rig)
    await rig.runner.pause()
    await track(rig, "t")
    await withdraw(rig)
    await rig.quiet()
    await rig.runner.resume()
    ledger = await rig.quiet()
    assert (await rig.fate("t"), ledger["held"], ledger["queued"]) == (WITHDRAWN, 0, 0)


async def test_a_withdrawal_from_a_source_that_is_not_connected_counts(rig: Rig) -> None:
    await start(rig, sources=["website"])
    await track(rig, "t")
    await rig.quiet()
    call = rig.make("page", "no", userId="u", context=NO)
    call.source = "app"
    await rig.accept([call])
    await rig.quiet()
    assert await rig.fate("t") == WITHDRAWN


async def test_where_one_of_several_is_enough_it_waits_on_while_one_is_left(rig: Rig) -> None:
    await start(rig, consent={"any": ["ads", "mail"]})
    await track(rig, "t", context=says(ads=True, mail=True))
    await rig.quiet()
    await withdraw(rig, "no-1", context=says(ads=False))
    await rig.quiet()
    assert await rig.fate("t") == ("held", "group_unknown")
    await withdraw(rig, "no-2", context=says(mail=False))
    await rig.quiet()
    assert await rig.fate("t") == WITHDRAWN


async def test_a_category_that_the_destination_does_not_need_changes_nothing(rig: Rig) -> None:
    await start(rig)
    await track(rig, "t")
    await rig.quiet()
    await withdraw(rig, context=says(ads=True, mail=False))
    await rig.quiet()
    assert await rig.fate("t") == ("held", "group_unknown")


async def test_an_update_that_is_sent_whatever_it_says_waits_on(rig: Rig) -> None:
    await start(rig, consent_updates=True)
    await track(rig, "t")
    await withdraw(rig)
    await rig.quiet()
    assert (await rig.fate("t"), await rig.fate("no")) == (WITHDRAWN, ("held", "group_unknown"))
    await group(rig, "g")
    ledger = await rig.quiet()
    assert (rig.vendor.ids(), ledger["held"]) == (["g", "no"], 0)


async def test_an_anonymous_visitor_speaks_for_the_user_they_are(rig: Rig) -> None:
    await start(rig)
    await track(rig, "a", anonymousId="x", userId=None)
    await rig.call("identify", "i", userId="u", anonymousId="x")
    await track(rig, "t")
    await rig.quiet()
    await withdraw(rig, anonymousId="x", userId=None)
    await rig.quiet()
    assert await rig.fate("a") == await rig.fate("t") == WITHDRAWN


async def test_what_is_held_of_an_anonymous_visitor_who_withdraws_is_taken_out(rig: Rig) -> None:
    await start(rig)
    await track(rig, "a", anonymousId="x", userId=None)
    await rig.quiet()
    await withdraw(rig, anonymousId="x")
    ledger = await rig.quiet()
    assert (await rig.fate("a"), ledger["held"]) == (WITHDRAWN, 0)


async def test_many_events_of_many_users_are_taken_out_and_the_counts_add_up(
    rig: Rig, tmp_path: Path, backend: str
) -> None:
    await start(rig)
    users = [f"u{n}" for n in range(250)]
    for user in users:
        await track(rig, f"t-{user}", user)
    for n in range(450):
        await track(rig, f"more-{n}", "u7")
    await rig.quiet()
    for user in users:
        await withdraw(rig, f"no-{user}", user)
    ledger = await rig.quiet()
    assert (ledger["held"], ledger["queued"], ledger["filtered"]) == (0, 0, 250 + 450 + 250)
    if backend == "sqlite":
        with closing(sqlite3.connect(tmp_path / "router.db")) as db:
            rows_and_counters(db)


async def test_what_a_crash_leaves_undone_is_done_after_the_next_start(rig: Rig) -> None:
    await start(rig)
    await track(rig, "t")
    await rig.quiet()
    await rig.crash()
    await withdraw(rig)
    await start(rig)
    ledger = await rig.quiet()
    assert (await rig.fate("t"), ledger["held"]) == (WITHDRAWN, 0)


ACTS = ("track", "track", "track", "withdraw", "group", "vendor", "crash", "time")


@pytest.mark.parametrize("seed", range(3))
async def test_what_waits_at_a_withdrawal_never_leaves_whatever_happens(
    rig: Rig, tmp_path: Path, backend: str, seed: int
) -> None:
    """The vendor fails and the worker crashes meanwhile."""
    chance, owner, taken_out = random.Random(seed), dict[str, str](), set[str]()
    await start(rig)
    for n in range(50):
        user, act = f"u{chance.randrange(3)}", chance.choice(ACTS)
        match act:
            case "track":
                owner[f"t{n}"] = user
                await track(rig, f"t{n}", user)
            case "withdraw":
                waits = {m for m in owner if owner[m] == user and (await rig.fate(m))[0] in ("held", "retrying")}
                await withdraw(rig, f"no{n}", user)
                await rig.quiet()
                assert {await rig.fate(message_id) for message_id in waits} <= {WITHDRAWN}
                taken_out |= waits
            case "group":
                await rig.call("group", f"g{n}", userId=user, groupId="acme", traits={"name": "Acme"}, context=YES)
            case "vendor":
                fails = chance.random() < 0.5
                rig.vendor.answer = (lambda bodies: RetryLater("status_503")) if fails else takes_all
            case "crash":
                await rig.crash()
                await start(rig)
            case "time":
                await rig.pass_time(30)
        await rig.quiet()
    assert taken_out
    assert not taken_out & set(rig.vendor.ids())
    if backend == "sqlite":
        with closing(sqlite3.connect(tmp_path / "router.db")) as db:
            rows_and_counters(db)


# ---------------------------------------------------------------- what waits for a request


async def test_what_waits_for_the_rate_of_its_destination_is_not_sent_after_a_withdrawal(rig: Rig) -> None:
    await start(rig, Plain, delivery={"rate": "1/m"})
    for user in ("first", "u", "v"):
        await track(rig, f"t-{user}", user)
    await track(rig, "behind", "u")
    await rig.quiet()
    assert rig.vendor.ids() == ["t-first"]
    await withdraw(rig)
    ledger = await rig.quiet()
    assert await rig.fate("t-u") == await rig.fate("behind") == WITHDRAWN
    assert (ledger["filtered"], ledger["queued"]) == (3, 1)
    await rig.pass_time(600, 60)
    assert rig.vendor.ids() == ["t-first", "t-v"]


async def test_what_waits_for_a_request_of_an_anonymous_id_goes_with_its_user(rig: Rig) -> None:
    await start(rig, Plain, delivery={"rate": "1/m"})
    await rig.call("identify", "i", userId="u", anonymousId="x")
    await rig.quiet()
    await track(rig, "a", anonymousId="x", userId=None)
    await track(rig, "b", anonymousId="y", userId=None)
    await rig.quiet()
    await withdraw(rig)
    await rig.pass_time(600, 60)
    assert (rig.vendor.ids(), await rig.fate("a")) == (["i", "b"], WITHDRAWN)


async def test_a_user_who_withdraws_while_their_event_is_in_a_request_that_fails_is_taken_out_behind_it(
    rig: Rig,
) -> None:
    await start(rig, Plain)
    answer, sent = asyncio.Event(), asyncio.Event()

    async def fail(bodies: list[dict[str, Any]]) -> Outcome:
        sent.set()
        await answer.wait()
        return RetryLater("status_503")

    rig.vendor.answer = fail
    await track(rig, "t")
    await sent.wait()
    await withdraw(rig)
    answer.set()
    ledger = await rig.quiet()
    assert (await rig.fate("t"), ledger["retrying"], ledger["queued"]) == (WITHDRAWN, 0, 0)


async def test_what_is_linked_to_who_denied_before_goes_with_the_link(rig: Rig) -> None:
    """The anonymous visitor denied, then it became known who they are: what waits of that user is what they denied."""
    await start(rig, Plain, delivery={"rate": "1/m"})
    await track(rig, "first", "v")
    await rig.quiet()
    await track(rig, "t")
    await rig.quiet()
    await withdraw(rig, anonymousId="x", userId=None)
    await rig.quiet()
    await rig.call("identify", "i", userId="u", anonymousId="x")
    await rig.pass_time(600, 60)
    assert (rig.vendor.ids(), await rig.fate("t")) == (["first", "i"], WITHDRAWN)


# ---------------------------------------------------------------- what is asked before it is sent


async def test_what_was_accepted_a_moment_before_the_withdrawal_and_not_read_yet_is_not_sent(rig: Rig) -> None:
    await start(rig, Plain)
    await rig.crash()
    await track(rig, "t")
    await withdraw(rig)
    await start(rig, Plain)
    ledger = await rig.quiet()
    assert (rig.vendor.ids(), await rig.fate("t"), ledger["queued"]) == ([], WITHDRAWN, 0)


async def test_an_event_that_says_nothing_of_consent_is_decided_alike_early_and_late(rig: Rig) -> None:
    await start(rig, Plain)
    await withdraw(rig)
    await track(rig, "early", context={})
    await rig.quiet()
    await rig.runner.pause()
    await track(rig, "late", context={})
    rig.clock.advance(3600)
    await rig.runner.resume()
    await rig.quiet()
    assert rig.vendor.ids() == ["early", "late"]


async def test_a_live_event_is_decided_by_its_own_consent(rig: Rig) -> None:
    await start(rig, Plain)
    await withdraw(rig)
    await track(rig, "t")
    await rig.quiet()
    assert rig.vendor.ids() == ["t"]


async def test_an_event_that_a_paused_destination_reads_late_is_asked_as_what_waits(rig: Rig) -> None:
    await start(rig, Plain)
    await rig.runner.pause()
    await track(rig, "t")
    await withdraw(rig)
    await track(rig, "other", "v")
    rig.clock.advance(3600)
    await rig.runner.resume()
    ledger = await rig.quiet()
    assert (rig.vendor.ids(), await rig.fate("t"), ledger["queued"]) == (["other"], WITHDRAWN, 0)


async def test_a_replay_asks_the_latest_preferences_too(rig: Rig) -> None:
    await start(rig)
    await track(rig, "t")
    await rig.quiet()
    await withdraw(rig)
    await group(rig, "g")
    await rig.quiet()
    await rig.runner.replay(ReplayOrder(since_ms=1))
    ledger = await rig.quiet()
    assert (rig.vendor.ids(), await rig.fate("t")) == (["g"], WITHDRAWN)
    assert (ledger["filtered"], ledger["queued"]) == (2, 0)
    await withdraw(rig, "yes", context=YES)
    await rig.runner.replay(ReplayOrder(since_ms=1))
    await rig.quiet()
    assert rig.vendor.ids() == ["g", "yes", "g", "t"]


async def test_a_group_call_that_is_taken_out_opens_nothing(rig: Rig) -> None:
    await start(rig)
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    await rig.call("group", "g", userId="u", groupId="acme", traits={"name": "Acme"}, context=YES)
    await rig.quiet()
    await rig.call("track", "t", userId="u", event=UPDATED, context=NO)
    await rig.quiet()
    assert await rig.fate("g") == WITHDRAWN
    rig.vendor.answer = takes_all
    await track(rig, "later")
    await rig.pass_time(600)
    assert (rig.vendor.ids(), await rig.fate("later")) == ([], ("held", "group_unknown"))


# ---------------------------------------------------------------- off


async def test_nothing_is_stored_and_nothing_asked_where_it_is_not_followed(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        await start(rig, follow=False)
        await track(rig, "t")
        await withdraw(rig)
        await rig.quiet()
        assert await rig.fate("t") == ("held", "group_unknown")
        assert await rig.store.claim("d").directory.withdrawals(0, 99, 9) == []
        await group(rig, "g")
        await rig.quiet()
        assert rig.vendor.ids() == ["g", "t"]


async def test_what_was_stored_goes_when_it_is_followed_no_more(rig: Rig) -> None:
    await withdraw(rig)
    directory = rig.store.claim("d").directory
    assert await directory.withdrawals(0, 99, 9) == [(1, "u:u")]
    await rig.store.claims.drop_preferences()
    assert await directory.withdrawals(0, 99, 9) == []
