"""Forgetting a group at one destination with a real store and a real worker: what is erased, what its members keep, what the gate does."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from router.deliver.runner import ReplayOrder
from router.event import Discard
from router.plugin import Context, Event, Item, Outcome, Reject, RetryLater, hookimpl
from router.store import DeadLetterFilter, Demand, DirectoryUpdate, Regulation, postgres, sqlite
from router.store.sqlite import forget_group_rows, forget_rows
from tests.contract.rig import Gated, Plain, Rig, comes_true, line, open_rig
from tests.contract.test_people import Crash, consistent, crash_after, demand, files_with, finish, go_on, good
from tests.contract.test_people import forget as forget_people
from tests.patience import HANG_S

WORDS = ("acme-1", "Acme Unlimited", "plan-of-theirs", "call-of-theirs", "named-in-context")
"""What no file may hold once `acme-1` is forgotten."""


pytestmark = pytest.mark.usefixtures("backend")
only_sqlite = pytest.mark.only_sqlite


def demand_of_group(*groups: str, id: str = "r1", **more: Any) -> Demand:
    keys = tuple(f"g:{group}" for group in groups)
    return Demand(id, "DELETE_INTERNAL", "GROUP_ID", keys, deletes=True, **more)


async def forget(rig: Rig, *groups: str, **more: Any) -> Regulation:
    """Forget these groups, to the end."""
    regulation = await rig.store.people.begin(demand_of_group(*groups, **more))
    await rig.runner.forget(regulation)
    return await finish(rig, regulation)


async def joins(
    rig: Rig, user: str, message_id: str, group: str = "acme-1", name: str | None = "Acme Unlimited"
) -> None:
    plan = "plan-of-theirs" if group == "acme-1" else "plan-of-others"
    traits = {"plan": plan, **({"name": name} if name else {})}
    await rig.call("group", message_id, userId=user, groupId=group, traits=traits)


async def track(rig: Rig, user: str, message_id: str, **more: Any) -> None:
    await rig.call("track", message_id, userId=user, event="E", **more)


async def a_company(rig: Rig) -> None:
    """user-one belongs to acme-1, user-two to beta-2; both have sent for theirs, user-two also for acme-1 by name. One event of user-one is
    a dead letter; user-three is held."""
    rig.vendor.answer = lambda bodies: Reject("no", "Acme Unlimited is over") if bodies[0]["m"] == "letter" else good()
    await joins(rig, "user-one", "call-of-theirs")
    await joins(rig, "user-two", "call-of-beta", "beta-2", "Beta")
    for user, message_id in (
        ("user-one", "one-1"),
        ("user-two", "two-1"),
        ("user-one", "letter"),
        ("user-three", "held"),
    ):
        await track(rig, user, message_id)
    await track(rig, "user-two", "named-in-context", context={"groupId": "acme-1"})
    await rig.call("group", "call-of-theirs-2", groupId="acme-1", traits={"plan": "plan-of-theirs"})
    await rig.quiet()


async def test_nothing_is_left_of_the_group_and_its_members_stay(rig: Rig) -> None:
    rig.start(Gated)
    await a_company(rig)
    before = await rig.quiet()
    assert (before["delivered"], before["held"], before["dead"]) == (6, 1, 1)
    assert files_with(rig, *WORDS) == list(WORDS)
    done = await forget(rig, "acme-1")
    assert done.counts == {"directory": 2, "events": 3, "texts": 2}
    assert files_with(rig, *WORDS) == []
    assert files_with(rig, "one-1", "two-1", "call-of-beta", "Beta") == ["one-1", "two-1", "call-of-beta", "Beta"]
    after = await rig.quiet()
    assert (after["delivered"], after["held"], after["dead"]) == (6, 1, 1)
    told = await rig.store.queries.message("call-of-theirs", None, ["d"])
    assert told is not None
    assert (told["forgotten"], told["destinations"]["d"]["state"]) == (True, "delivered")
    with closing(rig.store.image()) as db:
        theirs = db.execute("SELECT group_id FROM membership WHERE user_key = 'u:user-one'").fetchall()
    assert theirs == [("",)]
    consistent(rig)


async def test_a_finished_regulation_knows_a_hash_only(rig: Rig) -> None:
    rig.start(Gated)
    await a_company(rig)
    done = await forget(rig, "acme-1")
    assert (done.keys, done.near, done.names, done.people) == ([], [], [], [])
    assert done.hashes == [rig.store.people.suppressions.hash_of("g:acme-1").hex()]


async def test_who_waited_for_the_group_waits_for_another_group_call(rig: Rig) -> None:
    rig.start(Gated)
    await joins(rig, "user-one", "call", name=None)
    await track(rig, "user-one", "t1")
    await rig.quiet()
    assert await rig.fate("t1") == ("held", "group_name_unknown")
    await forget(rig, "acme-1")
    await rig.quiet()
    assert await rig.fate("t1") == ("held", "group_unknown")
    assert files_with(rig, "acme-1") == []
    await joins(rig, "user-one", "again", "gamma-3", "Gamma")
    await rig.quiet()
    assert [(body["m"], body["group"]) for body in rig.vendor.received[1:]] == [("again", "gamma-3"), ("t1", "gamma-3")]
    consistent(rig)


async def test_who_is_to_be_retried_waits_as_long_as_before_and_names_the_group_nowhere(rig: Rig) -> None:
    rig.start(Gated)
    await joins(rig, "user-one", "call", name=None)
    await track(rig, "user-one", "t1")
    await rig.quiet()
    rig.vendor.answer = lambda bodies: RetryLater("busy", after_s=600)
    await rig.call("identify", "i", userId="user-one")
    await rig.quiet()
    await forget(rig, "acme-1")
    assert files_with(rig, *WORDS) == []
    rig.vendor.answer = lambda bodies: good()
    await rig.pass_time(500, 50)
    assert await rig.fate("i") == ("retrying", "busy")
    await rig.pass_time(200, 50)
    assert [await rig.fate(m) for m in ("i", "t1")] == [("delivered", ""), ("held", "group_unknown")]
    consistent(rig)


async def test_who_waits_for_a_retry_and_not_for_the_group_any_more_names_it_nowhere_either(rig: Rig) -> None:
    """Its name has come, so the lane waits for no key of it; but it still says which group it waited for, and holds a second event."""
    rig.start(Gated)
    await joins(rig, "user-one", "call", name=None)
    await track(rig, "user-one", "t1")
    await track(rig, "user-one", "t2")
    await rig.quiet()
    rig.vendor.answer = lambda bodies: RetryLater("busy", after_s=600) if bodies[0]["type"] == "track" else good()
    await joins(rig, "user-two", "named")
    await rig.quiet()
    with closing(rig.store.image()) as db:
        assert db.execute("SELECT need, group_id FROM lane").fetchall() == [("", "acme-1")]
    await forget(rig, "acme-1")
    assert files_with(rig, *WORDS) == []
    rig.vendor.answer = lambda bodies: good()
    await rig.pass_time(700, 50)
    assert [await rig.fate(m) for m in ("t1", "t2")] == [("held", "group_unknown")] * 2
    await joins(rig, "user-one", "again", "gamma-3", "Gamma")
    await rig.quiet()
    assert [(body["m"], body["group"]) for body in rig.vendor.received[-3:]] == [
        ("again", "gamma-3"), ("t1", "gamma-3"), ("t2", "gamma-3"),
    ]  # fmt: skip
    consistent(rig)


async def test_many_who_waited_for_its_name_ask_again(rig: Rig) -> None:
    rig.start(Gated)
    for n in range(30):
        await joins(rig, f"user-{n}", f"call-{n}", name=None)
        await track(rig, f"user-{n}", f"t-{n}")
    await rig.quiet()
    await forget(rig, "acme-1")
    await rig.quiet()
    assert {await rig.fate(f"t-{n}") for n in range(30)} == {("held", "group_unknown")}
    consistent(rig)


async def test_a_group_that_is_told_anew_is_new(rig: Rig) -> None:
    rig.start(Gated)
    await a_company(rig)
    await forget(rig, "acme-1")
    await joins(rig, "user-one", "new-call", name="New Name")
    await track(rig, "user-one", "new-track")
    await rig.quiet()
    assert rig.vendor.received[-1] == {
        "m": "new-track", "type": "track", "user": "user-one", "group": "acme-1", "name": "New Name",
    }  # fmt: skip
    assert files_with(rig, "plan-of-theirs", "New Name") == ["plan-of-theirs", "New Name"], "the new call has told both"


async def test_what_was_done_for_it_is_not_sent_for_the_group_that_its_user_had_before(rig: Rig) -> None:
    rig.start(Gated)
    await joins(rig, "user-one", "call-1", "beta-2", "Beta")
    await joins(rig, "user-one", "call-2")
    await track(rig, "user-one", "t1")
    await rig.quiet()
    await forget(rig, "acme-1")
    await track(rig, "user-one", "t2")
    await rig.runner.replay(ReplayOrder(since_ms=0))
    await rig.quiet()
    assert [(body["m"], body["group"]) for body in rig.vendor.received] == [
        ("call-1", "beta-2"), ("call-2", "acme-1"), ("t1", "acme-1"), ("call-1", "beta-2"),
    ]  # fmt: skip
    assert await rig.fate("t2") == ("held", "group_unknown")


async def test_a_visitor_s_group_becomes_that_of_a_user_whose_own_was_forgotten(rig: Rig) -> None:
    rig.start(Gated)
    await joins(rig, "user-one", "call-1")
    await rig.call("group", "call-2", anonymousId="anon", groupId="beta-2", traits={"name": "Beta"})
    await rig.quiet()
    await forget(rig, "acme-1")
    await rig.call("identify", "i", userId="user-one", anonymousId="anon")
    await track(rig, "user-one", "t1")
    await rig.quiet()
    assert (rig.vendor.received[-1]["m"], rig.vendor.received[-1]["group"]) == ("t1", "beta-2")


async def test_a_replay_sends_what_came_before_it_for_the_first_group_after_it(rig: Rig) -> None:
    rig.start(Gated)
    await track(rig, "user-one", "t1")
    await joins(rig, "user-one", "call-1")
    await joins(rig, "user-one", "call-2", "beta-2", "Beta")
    await rig.quiet()
    await forget(rig, "acme-1")
    before = len(rig.vendor.received)
    await rig.runner.replay(ReplayOrder(since_ms=0))
    await rig.quiet()
    again = {body["m"]: body["group"] for body in rig.vendor.received[before:]}
    assert again == {"call-2": "beta-2", "t1": "beta-2"}


async def test_nor_for_the_group_of_the_browser(rig: Rig) -> None:
    rig.start(Gated)
    await rig.call("group", "call-1", anonymousId="anon", groupId="beta-2", traits={"name": "Beta"})
    await joins(rig, "user-one", "call-2")
    await forget(rig, "acme-1")
    await track(rig, "user-one", "t1", anonymousId="anon")
    await rig.quiet()
    assert await rig.fate("t1") == ("held", "group_unknown")


async def test_who_waits_for_a_call_that_was_in_flight_at_a_crash_asks_again(tmp_path: Path) -> None:
    async def never(bodies: list[dict[str, Any]]) -> Outcome:
        if bodies[0]["type"] == "group":
            await asyncio.Event().wait()
        return good()

    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.vendor.answer = never
        rig.start(Gated)
        await rig.call("identify", "i", userId="user-one", anonymousId="anon")
        await rig.call("group", "call", anonymousId="anon", groupId="acme-1", traits={"name": "Acme Unlimited"})
        await track(rig, "user-one", "t1")
        assert await comes_true(rig, lambda: len(rig.vendor.calls) == 2)
        await rig.quiet(hanging=1)
        assert await rig.fate("t1") == ("held", "group_unknown")
        assert await comes_true(rig, lambda: needs(rig) == ["c:2"])
        await rig.crash()
    async with open_rig(tmp_path) as rig:
        await rig.store.people.begin(demand_of_group("acme-1"))
        await go_on(rig)
        rig.start(Gated)
        await rig.quiet()
        assert await rig.fate("call") == ("dead", "forgotten")
        assert needs(rig) == ["u:user-one"]
        await joins(rig, "user-one", "again", "gamma-3", "Gamma")
        await rig.quiet()
        assert [(body["m"], body["group"]) for body in rig.vendor.received] == [("again", "gamma-3"), ("t1", "gamma-3")]
        consistent(rig)


@pytest.mark.parametrize(
    "whom",
    [demand_of_group("acme-1"), demand("u:user-two", also=("a:anon",))],
    ids=["its group", "who shared the browser"],
)
async def test_who_waits_for_a_forgotten_call_that_was_not_read_again_yet_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whom: Demand
) -> None:
    """After a crash the lane has its turn before the call is read again, and the directory still knows of the call."""
    monkeypatch.setattr("router.deliver.worker.READ_EVENTS", 1)

    async def never(bodies: list[dict[str, Any]]) -> Outcome:
        if bodies[0]["m"] in ("slow", "call"):
            await asyncio.Event().wait()
        return good()

    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.vendor.answer = never
        rig.start(Gated)
        await rig.call("identify", "i", userId="user-one", anonymousId="anon")
        await rig.call("identify", "slow", userId="user-three")
        await rig.call("group", "call", anonymousId="anon", groupId="acme-1", traits={"name": "Acme Unlimited"})
        await track(rig, "user-one", "t1")
        assert await comes_true(rig, lambda: len(rig.vendor.calls) == 3 and needs(rig) == ["c:3"])
        await rig.crash()
    async with open_rig(tmp_path) as rig:
        await rig.store.people.begin(whom)
        [regulation] = await rig.store.erasure.resume()
        await rig.store.erasure.erase_at("d", regulation.id)
        rig.start(Gated)
        await rig.quiet()
        await finish(rig, regulation)
        await rig.quiet()
        assert await rig.fate("call") == ("dead", "forgotten")
        assert needs(rig) == ["u:user-one"]
        consistent(rig)


def needs(rig: Rig) -> list[str]:
    """What the lanes that wait for something wait for."""
    with closing(rig.store.image()) as db:
        return [need for (need,) in db.execute("SELECT need FROM lane WHERE need <> ''")]


async def test_a_call_on_its_way_is_waited_for_and_ends_as_forgotten(rig: Rig) -> None:
    answered = asyncio.Event()

    async def slow(bodies: list[dict[str, Any]]) -> Outcome:
        await answered.wait()
        return good()

    rig.vendor.answer = slow
    rig.start(Gated)
    await joins(rig, "user-one", "call")
    await track(rig, "user-one", "t1")
    assert await comes_true(rig, lambda: bool(rig.vendor.calls))
    regulation = await rig.store.people.begin(demand_of_group("acme-1"))
    forgetting = asyncio.create_task(rig.runner.forget(regulation))
    await rig.vendor_moves()
    assert not forgetting.done(), "it is waited for"
    answered.set()
    async with asyncio.timeout(HANG_S):
        await forgetting
    await finish(rig, regulation)
    await rig.quiet()
    assert [await rig.fate(m) for m in ("call", "t1")] == [("dead", "forgotten"), ("held", "group_unknown")]
    assert files_with(rig, "acme-1") == []
    consistent(rig)


async def test_a_call_that_is_to_be_tried_again_goes_and_who_waits_for_it_asks_again(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("busy", after_s=60) if bodies[0]["type"] == "group" else good()
    rig.start(Gated)
    await rig.call("group", "call", anonymousId="anon", groupId="acme-1", traits={"name": "Acme Unlimited"})
    await rig.call("identify", "i", userId="user-one", anonymousId="anon")
    await track(rig, "user-one", "t1")
    await rig.quiet()
    await forget(rig, "acme-1")
    rig.vendor.answer = lambda bodies: good()
    await rig.pass_time(600, 60)
    assert await rig.fate("call") == ("dead", "forgotten")
    assert await rig.fate("t1") == ("held", "group_unknown")
    await joins(rig, "user-one", "again", "gamma-3", "Gamma")
    await rig.quiet()
    assert rig.vendor.ids() == ["i", "again", "t1"]
    consistent(rig)


async def test_what_a_destination_that_is_behind_reads_later_tells_it_nothing(rig: Rig) -> None:
    rig.start(Gated)
    await rig.quiet()
    await rig.runner.pause()
    await joins(rig, "user-one", "call")
    await track(rig, "user-one", "t1")
    await track(rig, "user-two", "named", context={"groupId": "acme-1"})
    await forget(rig, "acme-1")
    await rig.runner.resume()
    await rig.quiet()
    assert rig.vendor.ids() == []
    assert [await rig.fate(m) for m in ("call", "named", "t1")] == [
        ("dead", "forgotten"), ("dead", "forgotten"), ("held", "group_unknown"),
    ]  # fmt: skip
    consistent(rig)


async def test_a_member_s_event_that_is_tried_again_goes_out_without_the_group(rig: Rig) -> None:
    rig.start(Plain)
    await joins(rig, "user-one", "call")
    await rig.quiet()
    rig.vendor.answer = lambda bodies: RetryLater("busy", after_s=60)
    await track(rig, "user-one", "t1")
    await rig.quiet()
    assert rig.vendor.calls[-1][0]["name"] == "Acme Unlimited"
    await forget(rig, "acme-1")
    assert files_with(rig, *WORDS) == []
    rig.vendor.answer = lambda bodies: good()
    await rig.pass_time(600, 60)
    assert [(body["m"], body["group"], body["name"]) for body in rig.vendor.received[1:]] == [("t1", None, None)]
    consistent(rig)


async def test_a_member_s_dead_letter_is_replayed_without_the_group(rig: Rig) -> None:
    rig.start(Plain)
    await joins(rig, "user-one", "call")
    await rig.quiet()
    rig.vendor.answer = lambda bodies: Reject("no", "words")
    await track(rig, "user-one", "t1")
    await track(rig, "user-two", "t2", context={"groupId": "acme-1"})
    await rig.quiet()
    done = await forget(rig, "acme-1")
    assert done.counts["dead"] == 1, "the letter of the event that names the group"
    assert files_with(rig, *WORDS) == []
    consistent(rig)
    rig.vendor.answer = lambda bodies: good()
    await rig.runner.replay(ReplayOrder(letters=DeadLetterFilter()))
    await rig.quiet()
    assert [(body["m"], body["group"]) for body in rig.vendor.received[1:]] == [("t1", None)]
    assert await rig.fate("t2") == ("dead", "forgotten")


async def test_what_an_operator_released_for_the_group_is_not_sent_for_it(rig: Rig) -> None:
    rig.start(Gated)
    await track(rig, "user-one", "t1")
    await rig.quiet()
    rig.vendor.answer = lambda bodies: RetryLater("busy", after_s=60)
    await rig.runner.release("u:user-one", {"id": "acme-1", "name": "Acme Unlimited"})
    await rig.quiet()
    assert await rig.fate("t1") == ("retrying", "busy")
    await forget(rig, "acme-1")
    rig.vendor.answer = lambda bodies: good()
    await rig.pass_time(600, 60)
    assert (rig.vendor.ids(), await rig.fate("t1")) == ([], ("dead", "forgotten"))
    assert files_with(rig, "acme-1", "Acme Unlimited") == []
    consistent(rig)


async def test_what_was_said_of_it_is_emptied_by_its_id_and_by_its_name(rig: Rig) -> None:
    rig.start(Plain)
    await joins(rig, "user-one", "call")
    excerpts = ('{"groupId":"acme-1","traits":7', '{"event":"Acme Unlimited signed"', '{"event":"Acme"')
    for n, excerpt in enumerate(excerpts):
        await rig.store.append([], [], [Discard("website", n, "invalid", "words", f"m-{n}", "track", excerpt)])
    await rig.quiet()
    await forget(rig, "acme-1")
    told = (await rig.store.input_reports.discards(None, 0))["items"]
    assert [one["excerpt"] for one in sorted(told, key=lambda one: one["at"])] == ["", "", excerpts[2]]


class Counting(Plain):
    """Counts the calls of each group."""

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        return f"calls/{event.user_id}"

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        context.state = {"of": context.group.id if context.group else None}
        return line(event, context)


async def test_keyed_state_that_names_it_goes(rig: Rig) -> None:
    rig.start(Counting)
    await joins(rig, "user-one", "call")
    await joins(rig, "user-two", "call-of-beta", "beta-2", "Beta")
    for user in ("user-one", "user-two"):
        await track(rig, user, f"t-{user}")
    await rig.quiet()
    await forget(rig, "acme-1")
    assert set(await rig.store.state("d", "calls/user-one", "calls/user-two")) == {"calls/user-two"}


async def test_the_facts_that_a_forgotten_person_has_left_of_a_group_call_go_with_the_group(rig: Rig) -> None:
    rig.start(Gated)
    await a_company(rig)
    await forget_people(rig, "u:user-one", id="r0")
    assert files_with(rig, "acme-1") == ["acme-1"]
    await forget(rig, "acme-1")
    assert files_with(rig, "acme-1", "Acme Unlimited") == []
    consistent(rig)


async def test_ids_that_are_numbers_or_escaped_are_the_same_group(rig: Rig) -> None:
    rig.start(Plain)
    await rig.call("group", "as-number", userId="user-one", groupId=70.0, traits={"name": "Seventy"})
    escaped = rig.make("track", "as-escapes", userId="user-two", context={"groupId": "70"}, event="E")
    escaped.body = escaped.body.replace(b'"groupId": "70"', b'"group\\u0049d": "7\\u0030"')
    await rig.accept([escaped])
    await rig.quiet()
    done = await forget(rig, "70")
    assert (done.counts["events"], files_with(rig, "as-number", "as-escapes")) == (2, [])


async def test_between_the_demand_and_its_end_nobody_reads_the_group_and_the_directory_does_not_learn_it(
    rig: Rig,
) -> None:
    rig.start(Gated)
    await joins(rig, "user-one", "call")
    await track(rig, "user-one", "t1")
    await rig.quiet()
    await rig.store.people.begin(demand_of_group("acme-1"))
    rows = await rig.store.read(0, 10, 1_000_000)
    calls = [(row.user_key, row.body.partition(b"\n")[2] != b"") for row in rows]
    assert calls == [("", False), ("u:user-one", True)]
    told = DirectoryUpdate("u:user-one", group_id="acme-1", group_traits={"name": "Acme Unlimited"}, joins=True)
    await (await rig.runner.worker()).context.claim.replays.teach([(1, told)])
    with closing(rig.store.image()) as db:
        assert db.execute("SELECT count(*) FROM company").fetchone() == (0,)


async def test_a_group_that_nobody_knows_is_forgotten_without_a_word(rig: Rig) -> None:
    rig.start(Plain)
    await rig.quiet()
    done = await forget(rig, "nobody")
    assert (done.counts, done.keys, done.near) == ({}, [], [])


class Asking(Gated):
    """Can ask its vendor to delete a group, and no person."""

    forget_by_hand = "call them"

    @hookimpl
    def forget_group(self, group_id: str) -> Item:
        return Item({"m": f"delete {group_id}"})


class ByHand(Gated):
    forget_group_by_hand: ClassVar[str] = "write a letter"


async def test_a_vendor_is_asked_to_delete_it_or_the_operator_told_what_to_do(rig: Rig) -> None:
    rig.start(Asking)
    await a_company(rig)
    regulation = await rig.store.people.begin(demand_of_group("acme-1", tools=("d",)))
    await rig.runner.forget(regulation)
    asked = await rig.runner.ask_to_delete(regulation)
    await rig.quiet()
    assert (asked.status, rig.vendor.ids()[-1]) == ("RUNNING", "delete acme-1")
    person = await rig.store.people.begin(demand("u:user-one", id="r2", tools=("d",)))
    assert (await rig.runner.ask_to_delete(person)).words == "call them"
    await rig.stop()
    rig.start(ByHand)
    told = await rig.runner.ask_to_delete(regulation)
    assert (told.status, told.words) == ("NOT_SUPPORTED", "write a letter")


async def test_the_same_with_the_smallest_slices(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for store in (sqlite, postgres):
        for module in (store.forget_rows, store.forget_log):
            monkeypatch.setattr(module, "SLICE", 1)
        monkeypatch.setattr(store.forget_log, "LOOKED_THROUGH", 2)
        monkeypatch.setattr(store.forget_group_rows, "LOOKED_THROUGH", 2)
    rig.vendor.answer = lambda bodies: RetryLater("busy", after_s=3600)
    rig.start(Plain)
    for n in range(7):
        await joins(rig, f"user-{n % 3}", f"call-of-theirs-{n}")
        await track(rig, "user-x", f"t{n}")
    await rig.quiet()
    done = await forget(rig, "acme-1")
    assert (done.counts["events"], done.counts["waiting"]) == (7, 7)
    assert files_with(rig, *WORDS) == []
    consistent(rig)


@pytest.mark.parametrize("steps", range(10))
async def test_a_crash_between_any_two_steps_ends_in_the_same(tmp_path: Path, steps: int) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.start(Gated)
        await a_company(rig)
        regulation = await rig.store.people.begin(demand_of_group("acme-1"))
        await crash_after(rig, regulation, steps)
    async with open_rig(tmp_path) as rig:
        await go_on(rig)
        rig.start(Gated)
        ledger = await rig.quiet()
        assert (ledger["delivered"], ledger["held"], ledger["dead"]) == (6, 1, 1)
        assert files_with(rig, *WORDS) == []
        [found] = await rig.store.people.newest(5)
        assert found.counts == {"directory": 2, "events": 3, "texts": 2}
        consistent(rig)


@only_sqlite
@pytest.mark.parametrize("slices", range(5))
async def test_a_crash_between_any_two_slices_of_a_destination_ends_in_the_same(
    tmp_path: Path, slices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase, left = forget_group_rows.erase_parked, slices

    def erase_or_crash(*args: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Crash
        erase(*args)

    monkeypatch.setattr(forget_rows, "SLICE", 1)
    monkeypatch.setattr(forget_group_rows, "erase_parked", erase_or_crash)
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.vendor.answer = lambda bodies: RetryLater("busy", after_s=3600)
        rig.start(Plain)
        for n in range(4):
            await joins(rig, "user-one", f"call-of-theirs-{n}")
        await track(rig, "user-one", "t1")
        await rig.quiet()
        regulation = await rig.store.people.begin(demand_of_group("acme-1"))
        with contextlib.suppress(Crash):
            await rig.runner.forget(regulation)
        await rig.crash()
    monkeypatch.setattr(forget_group_rows, "erase_parked", erase)
    async with open_rig(tmp_path) as rig:
        await go_on(rig)
        assert files_with(rig, *WORDS) == []
        rig.start(Plain)
        ledger = await rig.pass_time(7200, 600)
        assert (ledger["delivered"], ledger["dead"], rig.vendor.ids()) == (1, 4, ["t1"])
        consistent(rig)
