"""The group gate at a running worker: held on disk, opened only by a call that supplies, released in order."""

from __future__ import annotations

import asyncio

import pytest

from router.deliver.jobs import due_lanes
from router.deliver.operations import Shown
from router.errors import CommandRefused
from router.plugin import Delivered, Reject, RetryLater
from tests.contract.rig import Gated, Plain, Rig, both_ways, commits_counted

pytest_generate_tests = both_ways
pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
def has_begun() -> bool:
    return False


async def test_a_track_is_held_until_its_users_group_is_known_and_goes_out_in_order(rig: Rig) -> None:
    rig.start()
    for n in range(3):
        await rig.call("track", f"t{n}", userId="u1", event="E")
    ledger = await rig.quiet()
    assert (ledger["held"], rig.vendor.ids()) == (3, [])
    assert await rig.fate("t1") == ("held", "group_unknown")
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "Acme"})
    await rig.call("track", "t3", userId="u1", event="E")
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["g", "t0", "t1", "t2", "t3"]
    assert {body["name"] for body in rig.vendor.received} == {"Acme"}
    assert (ledger["held"], ledger["delivered"]) == (0, 5)


async def test_a_groups_name_may_come_through_another_users_call(rig: Rig) -> None:
    rig.start()
    await rig.call("track", "t", userId="u1", event="E")
    await rig.call("group", "g1", userId="u1", groupId="acme")
    await rig.quiet()
    assert await rig.fate("t") == ("held", "group_name_unknown")
    await rig.call("group", "g2", userId="u2", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert rig.vendor.ids() == ["g1", "g2", "t"]


async def test_calls_without_the_requirement_go_past_held_ones(rig: Rig) -> None:
    rig.start()
    await rig.call("track", "t", userId="u1", event="E")
    await rig.call("identify", "i", userId="u1", traits={"a": 1})
    await rig.quiet()
    assert rig.vendor.ids() == ["i"]


async def test_a_group_call_still_in_flight_does_not_open_the_gate(rig: Rig) -> None:
    refuse = True

    def answer(bodies: list[dict[str, object]]) -> object:
        return RetryLater("status_503") if refuse and bodies[0]["type"] == "group" else Delivered()

    rig.vendor.answer = answer
    rig.start()
    await rig.call("group", "g", userId="u2", groupId="acme", traits={"name": "Acme"})
    await rig.call("group", "h", userId="u1", groupId="acme")
    await rig.call("track", "t", userId="u1", event="E", groupId="acme")
    await rig.call("track", "s", userId="u3", event="E", groupId="acme")
    ledger = await rig.quiet()
    assert rig.vendor.ids() == []
    assert (await rig.fate("s"))[0] == "held"
    refuse = False
    ledger = await rig.pass_time(20)
    assert sorted(rig.vendor.ids()) == ["g", "h", "s", "t"]
    assert rig.vendor.ids().index("g") < rig.vendor.ids().index("s")
    assert rig.vendor.ids().index("h") < rig.vendor.ids().index("t")
    assert ledger["delivered"] == 4


async def test_a_group_call_that_ended_dead_opens_nothing_and_a_later_good_one_does(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: Reject("rejected") if bodies[0]["m"] == "bad" else Delivered()
    rig.start()
    await rig.call("track", "t", userId="u1", event="E")
    await rig.call("group", "bad", userId="u1", groupId="acme", traits={"name": "Acme"})
    ledger = await rig.quiet()
    assert (ledger["dead"], ledger["held"]) == (1, 1)
    await rig.crash()
    rig.start()
    assert (await rig.quiet())["held"] == 1
    await rig.call("group", "good", userId="u1", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert rig.vendor.ids() == ["good", "t"]


@pytest.mark.parametrize("crashed", [False, True])
async def test_a_name_that_another_call_told_stays_known_when_the_first_one_to_tell_it_is_refused(
    rig: Rig, crashed: bool
) -> None:
    slow = asyncio.Event()

    async def late() -> Reject:
        await slow.wait()
        return Reject("no")

    rig.vendor.answer = lambda bodies: late() if bodies[0]["m"] == "g1" else Delivered()
    rig.start()
    await rig.quiet()
    await rig.call("group", "g1", userId="u1", groupId="acme", traits={"name": "Acme"})
    await rig.call("group", "g2", userId="u2", groupId="acme", traits={"name": "Acme"})
    while await rig.fate("g2") != ("delivered", ""):
        await rig.vendor_moves()
    if crashed:
        await rig.crash()
        rig.start()
        while sum(bodies[0]["m"] == "g1" for bodies in rig.vendor.calls) < 2:
            await rig.vendor_moves()
    slow.set()
    await rig.quiet()
    assert await rig.fate("g1") == ("dead", "no")
    await rig.call("track", "t", userId="u2", event="E")
    await rig.quiet()
    assert await rig.fate("t") == ("delivered", "")


async def test_a_destination_added_later_sends_at_once_for_users_whose_group_came_before_it(rig: Rig) -> None:
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "Acme"})
    rig.start()
    await rig.quiet()
    await rig.call("track", "t", userId="u1", event="E")
    await rig.quiet()
    assert rig.vendor.ids() == ["t"]


def slow_answer(rig: Rig, message_id: str) -> asyncio.Event:
    """The vendor answers this message only once the event is set."""
    slow = asyncio.Event()

    async def late() -> Delivered:
        await slow.wait()
        return Delivered()

    rig.vendor.answer = lambda bodies: late() if bodies[0]["m"] == message_id else Delivered()
    return slow


async def test_what_an_anonymous_id_holds_joins_its_user_when_they_are_linked(rig: Rig) -> None:
    rig.start()
    await rig.call("track", "t0", anonymousId="x", event="E")
    await rig.call("track", "t1", userId="u1", event="E")
    await rig.call("track", "t2", anonymousId="x", event="E")
    await rig.quiet()
    await rig.call("identify", "i", userId="u1", anonymousId="x")
    ledger = await rig.quiet()
    assert (ledger["held"], rig.vendor.ids()) == (3, ["i"])
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert rig.vendor.ids() == ["i", "g", "t0", "t1", "t2"]
    assert [body["user"] for body in rig.vendor.received] == ["u1"] * 5


async def test_a_link_waits_for_what_its_anonymous_id_called_before_it_and_takes_that_along(rig: Rig) -> None:
    slow = slow_answer(rig, "i0")
    rig.start()
    await rig.call("identify", "i0", anonymousId="x")
    await rig.call("track", "t", anonymousId="x", event="E")  # has no turn while i0 is on its way
    await rig.call("identify", "i1", userId="u1", anonymousId="x")
    while not rig.vendor.calls:
        await rig.vendor_moves()
    slow.set()
    await rig.quiet()
    assert await rig.fate("t") == ("held", "group_unknown")
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert rig.vendor.ids() == ["i0", "i1", "g", "t"]
    assert rig.vendor.received[-1]["user"] == "u1"


async def test_what_is_held_of_a_shared_browser_goes_out_for_the_user_who_had_it_then(rig: Rig) -> None:
    rig.start()
    await rig.call("identify", "i1", userId="u1", anonymousId="x")
    await rig.call("track", "t1", anonymousId="x", event="E")
    await rig.quiet()
    await rig.call("identify", "i2", userId="u2", anonymousId="x")
    await rig.call("group", "g2", userId="u2", groupId="beta", traits={"name": "Beta"})
    await rig.quiet()
    assert rig.vendor.ids() == ["i1", "i2", "g2"]
    await rig.call("track", "t2", anonymousId="x", event="E")
    await rig.quiet()
    assert await rig.fate("t1") == ("held", "group_unknown")
    await rig.call("group", "g1", userId="u1", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    groups = [(body["m"], body["group"]) for body in rig.vendor.received if body["m"].startswith("t")]
    assert groups == [("t2", "beta"), ("t1", "acme")]


async def test_the_first_link_takes_along_what_is_held_also_when_a_later_one_is_faster(rig: Rig) -> None:
    slow = slow_answer(rig, "i0")
    rig.start()
    await rig.call("track", "t", anonymousId="x", event="E")
    await rig.call("identify", "i0", userId="u1")
    await rig.call("identify", "i1", userId="u1", anonymousId="x")  # has no turn while i0 is on its way
    await rig.call("identify", "i2", userId="u2", anonymousId="x")
    while "i2" not in rig.vendor.ids():
        await rig.vendor_moves()
    slow.set()
    await rig.quiet()
    await rig.call("group", "g2", userId="u2", groupId="beta", traits={"name": "Beta"})
    await rig.call("group", "g1", userId="u1", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    sent = next(body for body in rig.vendor.received if body["m"] == "t")
    assert (sent["user"], sent["group"]) == ("u1", "acme")


async def test_a_group_call_of_an_anonymous_id_is_taken_over_by_its_user_with_the_link(rig: Rig) -> None:
    rig.start()
    await rig.call("track", "t", userId="u1", event="E")
    await rig.call("group", "g", anonymousId="x", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert (await rig.fate("t"))[0] == "held"
    await rig.call("identify", "i", userId="u1", anonymousId="x")
    await rig.quiet()
    assert rig.vendor.ids() == ["g", "i", "t"]


async def test_many_lanes_waiting_for_one_name_are_opened_in_slices_that_survive_a_crash(rig: Rig) -> None:
    rig.start()
    users = 1200
    await rig.accept([rig.make("track", f"t{n}", userId=f"u{n}", groupId="acme", event="E") for n in range(users)])
    assert (await rig.pass_time(1, 1))["held"] == users
    await rig.call("group", "g", userId="boss", groupId="acme", traits={"name": "Acme"})
    while "g" not in rig.vendor.ids():
        await rig.vendor_moves()
    await rig.crash()
    rig.start()
    ledger = await rig.pass_time(5, 1)
    assert (ledger["held"], ledger["delivered"]) == (0, users + 1)
    assert set(rig.vendor.ids()) == {"g", *(f"t{n}" for n in range(users))}


async def test_an_operator_releases_with_a_group_of_their_own(rig: Rig) -> None:
    rig.start()
    await rig.call("track", "t", userId="u1", event="E")
    await rig.quiet()
    assert await rig.runner.release("u:u1", {"id": "hand", "name": "Made By Hand"}) == 1
    await rig.quiet()
    assert [(b["group"], b["name"]) for b in rig.vendor.received] == [("hand", "Made By Hand")]
    await rig.call("track", "t2", userId="u1", event="E")
    assert (await rig.quiet())["held"] == 1  # the directory learned nothing


async def test_dropping_what_is_held_makes_dead_letters(rig: Rig) -> None:
    rig.start()
    for n in range(3):
        await rig.call("track", f"t{n}", userId="u1", event="E")
    await rig.quiet()
    assert await rig.runner.drop("u:u1") == 3
    ledger = await rig.quiet()
    assert (ledger["held"], ledger["dead"]) == (0, 3)
    assert await rig.fate("t0") == ("dead", "dropped")


async def test_much_of_one_user_is_dropped_in_several_commits(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.deliver.operations.DROP_SLICE", 2)
    rig.start()
    await rig.accept([rig.make("track", f"t{n}", userId="u1", event="E") for n in range(7)])
    await rig.quiet()
    monkeypatch.setattr("router.deliver.commit.unit_of_work.BATCH_EVENTS", 1)
    letters = commits_counted(monkeypatch, lambda batch: len(batch.dead))
    assert await rig.runner.drop("u:u1") == 7
    ledger = await rig.quiet()
    assert (ledger["held"], ledger["dead"]) == (0, 7)
    assert (max(letters), sum(letters)) == (2, 7)


async def test_what_is_held_behind_a_position_is_not_dropped_and_is_released_in_order(rig: Rig) -> None:
    rig.start()
    for n in range(4):
        await rig.call("track", f"t{n}", userId="u1", event="E")
    await rig.quiet()
    upto = await rig.store.queries.position("t1", None)
    assert upto is not None
    assert await rig.runner.drop("u:u1", Shown(upto, 2)) == 2
    ledger = await rig.quiet()
    assert (ledger["held"], ledger["dead"]) == (2, 2)
    await rig.crash()
    rig.start()
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert rig.vendor.ids() == ["g", "t2", "t3"]


async def test_older_events_that_became_the_users_after_they_were_shown_are_not_dropped_unseen(rig: Rig) -> None:
    rig.start()
    await rig.call("track", "of-browser", anonymousId="x", event="E")
    await rig.call("track", "t0", userId="u1", event="E")
    await rig.quiet()
    upto = await rig.store.queries.position("t0", None)
    assert upto is not None
    await rig.call("identify", "i", userId="u1", anonymousId="x")
    await rig.quiet()
    with pytest.raises(
        CommandRefused, match="2 events of user:u1 are held by now, and 1 of them were shown: look again"
    ):
        await rig.runner.drop("u:u1", Shown(upto, 1))
    assert (await rig.quiet())["dead"] == 0
    assert await rig.fate("of-browser") == ("held", "group_unknown")


async def test_a_plugin_without_requirements_holds_nothing(rig: Rig) -> None:
    rig.start(Plain)
    await rig.call("track", "t", userId="u1", event="E")
    ledger = await rig.quiet()
    assert (ledger["held"], ledger["delivered"]) == (0, 1)


async def test_a_lane_that_holds_too_many_events_buries_the_next_one(rig: Rig) -> None:
    rig.start(Gated, hold={"max_events_per_user": 2})
    for n in range(3):
        await rig.call("track", f"t{n}", userId="u1", event="E")
    ledger = await rig.quiet()
    assert (ledger["held"], ledger["dead"]) == (2, 1)
    assert await rig.fate("t2") == ("dead", "hold_full")


async def test_what_is_held_for_too_long_becomes_a_dead_letter_each_event_by_its_own_age(rig: Rig) -> None:
    rig.start(Gated, hold={"max_age": "1h"})
    await rig.call("track", "old", userId="u1", event="E")
    await rig.quiet()
    rig.clock.advance(1800)
    await rig.call("track", "new", userId="u1", event="E")
    await rig.quiet()
    ledger = await rig.pass_time(1900, 100)
    assert (ledger["held"], ledger["dead"]) == (1, 1)
    assert await rig.fate("old") == ("dead", "hold_expired")
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert rig.vendor.ids() == ["g", "new"]


async def test_held_events_of_a_disabled_destination_do_not_age_away(rig: Rig) -> None:
    rig.start(Gated, hold={"max_age": "1h"})
    await rig.call("track", "t", userId="u1", event="E")
    await rig.quiet()
    await rig.stop()
    rig.start(Gated, hold={"max_age": "1h"}, enabled=False)
    ledger = await rig.pass_time(8000, 1000)
    assert (ledger["held"], ledger["dead"]) == (1, 0)


async def test_a_group_call_of_an_anonymous_id_that_settles_after_the_link_opens_the_users_lane(rig: Rig) -> None:
    rig.start(Gated)
    await rig.runner.worker()
    rig.vendor.answer = lambda bodies: (
        RetryLater("status_503", after_s=600) if bodies[0]["type"] == "group" else Delivered()
    )
    await rig.call("track", "t", anonymousId="x1", event="E")
    await rig.call("group", "g", anonymousId="x1", groupId="acme", traits={"name": "ACME"})
    await rig.quiet()
    await rig.call("identify", "i", userId="u1", anonymousId="x1")
    await rig.quiet()
    assert await rig.fate("t") == ("held", "group_unknown")
    rig.vendor.answer = lambda bodies: Delivered()
    await rig.pass_time(700, 60)
    assert rig.vendor.ids() == ["i", "g", "t"]


async def test_an_event_with_both_ids_is_released_by_a_group_call_of_either(rig: Rig) -> None:
    rig.start(Gated)
    await rig.runner.worker()
    for n, who in enumerate(({"userId": "u1"}, {"anonymousId": "x2"}), 1):
        await rig.call("track", f"t{n}", userId=f"u{n}", anonymousId=f"x{n}", event="E")
        await rig.quiet()
        await rig.call("group", f"g{n}", **who, groupId="acme", traits={"name": "ACME"})
        await rig.quiet()
    assert rig.vendor.ids() == ["g1", "t1", "g2", "t2"]


async def test_an_anonymous_event_is_released_by_the_user_it_belonged_to_or_by_its_own_group_call(rig: Rig) -> None:
    rig.start(Gated)
    await rig.runner.worker()
    for n in (1, 2):
        await rig.call("identify", f"i{n}", userId=f"u{n}", anonymousId=f"x{n}")
        await rig.call("track", f"t{n}", anonymousId=f"x{n}", event="E")
        await rig.quiet()
    await rig.call("group", "g1", userId="u1", groupId="acme", traits={"name": "ACME"})
    await rig.call("group", "g2", anonymousId="x2", groupId="acme", traits={"name": "ACME"})
    await rig.quiet()
    assert (await rig.fate("t1"))[0] == (await rig.fate("t2"))[0] == "delivered"


async def test_an_alias_of_a_user_with_a_group_releases_what_the_new_one_holds(rig: Rig) -> None:
    rig.start()
    await rig.call("group", "g", userId="old", groupId="acme", traits={"name": "Acme"})
    await rig.call("track", "t", userId="new", event="E")
    await rig.quiet()
    assert await rig.fate("t") == ("held", "group_unknown")
    await rig.call("alias", "a", userId="new", previousId="old")
    await rig.quiet()
    assert [body["group"] for body in rig.vendor.received if body["m"] == "t"] == ["acme"]


async def test_parked_rows_that_lost_their_lane_get_one_after_a_start(rig: Rig) -> None:
    rig.start()
    await rig.call("track", "t", userId="u1", event="E")
    await rig.call("track", "s", userId="u2", event="E")
    await rig.quiet()
    await rig.crash()
    await rig.store.execute("DELETE FROM lane")
    rig.start()
    await rig.quiet()
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "Acme"})
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["g", "t"]
    assert (ledger["held"], await rig.fate("s")) == (1, ("held", "group_unknown"))


async def test_after_a_start_nothing_goes_past_parked_calls_of_a_lane_that_has_to_wait_for_others_to_drain(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = asyncio.Event()

    async def answer(body: dict[str, object]) -> Delivered:
        if body["type"] == "track":
            await slow.wait()
        return Delivered()

    rig.vendor.answer = lambda bodies: answer(bodies[0])
    rig.start()
    for user in ("u1", "u2"):
        await rig.call("track", f"{user}-t", userId=user, event="E")
        await rig.call("group", f"{user}-g", userId=user, groupId="acme", traits={"name": "Acme"})
    while len(rig.vendor.calls) < 4:
        await rig.vendor_moves()
    for user in ("u1", "u2"):
        await rig.call("identify", f"{user}-first", userId=user)
    while await rig.fate("u2-first") != ("queued", "behind_lane"):
        await rig.vendor_moves()
    await rig.crash()
    monkeypatch.setattr(due_lanes, "DRAINING", 1)
    rig.start()
    for user in ("u1", "u2"):
        await rig.call("identify", f"{user}-second", userId=user)
    while await rig.fate("u2-second") != ("queued", "behind_lane"):
        await rig.vendor_moves()
    slow.set()
    await rig.quiet()
    for user in ("u1", "u2"):
        ids = [m for m in rig.vendor.ids() if m.startswith(user)]
        assert ids == [f"{user}-g", f"{user}-t", f"{user}-first", f"{user}-second"]
