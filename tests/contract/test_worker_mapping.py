"""Mapping tables at a running worker: what the plugin sees, which gates open, and what a changed table does to what waits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from router.plugin import Context, Delivered, Event, Item, Reject, RetryLater, hookimpl
from router.store import EVERY
from tests.contract.rig import Gated, Plain, Rig, destination

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
def has_begun() -> bool:
    return False


TITLED: dict[str, Any] = {"rename": {"group.title": "group.name"}}


def seen(event: Event, context: Context) -> Item:
    """All that a plugin can see of traits and properties."""
    return Item(
        {
            "m": event.message_id,
            "traits": event.traits,
            "properties": event.properties,
            "payload": {key: event.payload[key] for key in ("traits", "properties") if key in event.payload},
            "user": context.user.traits if context.user else None,
            "group": context.group.traits if context.group else None,
        }
    )


class Seeing(Plain):
    """Sends what it sees, and is woken a minute after each track."""

    @hookimpl
    def identify(self, event: Event, context: Context) -> Item:
        return seen(event, context)

    @hookimpl
    def group(self, event: Event, context: Context) -> Item:
        return seen(event, context)

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        context.wake(event.received_at + timedelta(minutes=1))
        return seen(event, context)

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        return f"module:{event.properties['module']}" if event.type == "track" else None

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Item:
        assert context.user is not None
        assert context.group is not None
        return Item({"m": "wake", "key": key, "user": context.user.traits, "group": context.group.traits})


# ---------------------------------------------------------------- what the plugin sees


async def test_every_hook_sees_events_user_and_group_as_the_table_makes_them(rig: Rig) -> None:
    rename = {"properties.area": "properties.module", "group.title": "group.name", "user.role": "user.job"}
    rig.start(Seeing, mapping={"rename": rename, "drop": ["traits.secret"], "set": {"properties.product": "shop"}})
    await rig.accept(
        [
            rig.make("identify", "i", userId="u1", traits={"role": "R", "title": "Dr", "secret": 1}),
            rig.make("group", "g", userId="u1", groupId="acme", traits={"title": "Acme", "secret": 1}),
            rig.make("track", "t1", userId="u1", event="E", properties={"area": "A"}),
            rig.make("track", "t2", userId="u1", event="E", properties={"area": "A"}),
        ]
    )
    await rig.pass_time(120, 60)
    user, group = {"job": "R", "title": "Dr"}, {"name": "Acme"}
    identify, grouped, first, second, woken = rig.vendor.received
    assert identify["traits"] == identify["payload"]["traits"] == identify["user"] == user
    assert grouped["traits"] == grouped["payload"]["traits"] == grouped["group"] == group
    assert first["properties"] == first["payload"]["properties"] == {"module": "A", "product": "shop"}
    assert [(body["user"], body["group"]) for body in (first, second)] == [(user, group)] * 2
    assert woken == {"m": "wake", "key": "module:A", "user": user, "group": group}


async def test_the_directory_keeps_what_was_sent(rig: Rig) -> None:
    rig.start(Plain, mapping=TITLED)
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"title": "Acme"})
    await rig.quiet()
    known = await rig.store.known([("u:u1", 1 << 62)], ["acme"])
    assert known.companies["acme"].traits == {"title": "Acme"}


async def test_a_group_that_an_operator_names_stands_as_it_is_given(rig: Rig) -> None:
    rig.start(mapping={**TITLED, "drop": ["group.plan"]})
    await rig.call("group", "g", userId="u2", groupId="acme", traits={"title": "Told"})
    await rig.call("track", "t", userId="u1", event="E")
    await rig.quiet()
    await rig.runner.release("u:u1", {"id": "acme", "name": "Given"})
    await rig.quiet()
    assert rig.vendor.received[-1]["name"] == "Given"


# ---------------------------------------------------------------- the gate


async def test_a_renamed_group_trait_opens_the_gate_and_what_was_held_goes_out_in_order(rig: Rig) -> None:
    rig.start(mapping=TITLED)
    for n in range(3):
        await rig.call("track", f"t{n}", userId="u1", event="E")
    await rig.call("group", "g0", userId="u1", groupId="acme")
    await rig.quiet()
    assert await rig.fate("t0") == ("held", "group_name_unknown")
    await rig.call("group", "g1", userId="u2", groupId="acme", traits={"title": "Acme"})
    await rig.call("track", "t3", userId="u1", event="E")
    await rig.quiet()
    assert rig.vendor.ids() == ["g0", "g1", "t0", "t1", "t2", "t3"]
    assert {body["name"] for body in rig.vendor.received if body["m"] != "g0"} == {"Acme"}


async def test_either_name_will_do_for_the_gate(rig: Rig) -> None:
    rig.start(mapping=TITLED)
    await rig.call("group", "g1", userId="u1", groupId="acme", traits={"name": "Acme"})
    await rig.call("group", "g2", userId="u2", groupId="umbra", traits={"title": "Umbra", "name": None})
    for user in ("u1", "u2"):
        await rig.call("track", f"t-{user}", userId=user, event="E")
    await rig.quiet()
    assert {body["m"]: body["name"] for body in rig.vendor.received} == {
        "g1": "Acme",
        "g2": "Umbra",
        "t-u1": "Acme",
        "t-u2": "Umbra",
    }


async def test_without_the_rename_the_same_calls_open_nothing(rig: Rig) -> None:
    rig.start(mapping={"rename": {"user.title": "user.name", "group.label": "group.name"}})
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"title": "Acme"})
    await rig.call("identify", "i", userId="u1", traits={"title": "Dr"})
    await rig.call("track", "t", userId="u1", event="E")
    await rig.quiet()
    assert await rig.fate("t") == ("held", "group_name_unknown")


async def test_a_group_call_from_before_the_destination_supplies_by_its_old_name(rig: Rig) -> None:
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"title": "Acme"})
    rig.start(mapping=TITLED)
    await rig.quiet()
    await rig.call("track", "t", userId="u1", event="E")
    await rig.quiet()
    assert [(body["m"], body["name"]) for body in rig.vendor.received] == [("t", "Acme")]


async def test_a_renamed_trait_whose_call_is_still_tried_does_not_open_the_gate(rig: Rig) -> None:
    refuse = True

    def answer(bodies: list[dict[str, object]]) -> object:
        return RetryLater("status_503") if refuse and bodies[0]["m"] == "g" else Delivered()

    rig.vendor.answer = answer
    rig.start(mapping=TITLED)
    await rig.call("group", "g", userId="u2", groupId="acme", traits={"title": "Acme"})
    await rig.call("track", "t", userId="u1", event="E", groupId="acme")
    await rig.quiet()
    assert await rig.fate("t") == ("held", "group_name_unknown")
    refuse = False
    await rig.pass_time(20)
    assert rig.vendor.ids() == ["g", "t"]


async def test_a_trait_that_the_table_sets_is_known_as_soon_as_the_group_is(rig: Rig) -> None:
    rig.start(mapping={"set": {"group.name": "Everybody"}})
    await rig.call("track", "t", userId="u1", event="E")
    await rig.quiet()
    assert await rig.fate("t") == ("held", "group_unknown")
    await rig.call("group", "g", userId="u1", groupId="acme")
    await rig.quiet()
    assert [(body["m"], body["name"]) for body in rig.vendor.received] == [("g", "Everybody"), ("t", "Everybody")]


# ---------------------------------------------------------------- a changed table


async def test_what_is_held_is_asked_again_with_a_changed_table(rig: Rig) -> None:
    rig.start()
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"title": "Acme"})
    for n in range(3):
        await rig.call("track", f"t{n}", userId="u1", event="E")
    await rig.call("track", "other", userId="u2", event="E")
    assert (await rig.quiet())["held"] == 4
    await rig.stop()
    rig.start(mapping=TITLED)
    assert (await rig.quiet())["held"] == 1
    assert [(body["m"], body["name"]) for body in rig.vendor.received[1:]] == [(f"t{n}", "Acme") for n in range(3)]
    assert await rig.fate("other") == ("held", "group_unknown")


async def test_what_is_held_is_asked_again_when_less_is_required(rig: Rig) -> None:
    rig.start()
    await rig.call("track", "t", userId="u1", event="E")
    assert (await rig.quiet())["held"] == 1
    await rig.stop()
    rig.start(Plain)
    await rig.quiet()
    assert rig.vendor.ids() == ["t"]


async def test_a_changed_table_opens_many_lanes_in_slices_that_survive_a_crash(rig: Rig) -> None:
    rig.start()
    users = 1200
    await rig.call("group", "g", userId="boss", groupId="acme", traits={"title": "Acme"})
    await rig.accept([rig.make("track", f"t{n}", userId=f"u{n}", groupId="acme", event="E") for n in range(users)])
    assert (await rig.pass_time(1, 1))["held"] == users
    await rig.stop()
    rig.start(mapping=TITLED)
    while len(rig.vendor.received) < 5:
        await rig.vendor_moves()
    await rig.crash()
    rig.start(mapping=TITLED)
    ledger = await rig.pass_time(5, 1)
    assert (ledger["held"], ledger["delivered"]) == (0, users + 1)
    assert set(rig.vendor.ids()) == {"g", *(f"t{n}" for n in range(users))}


async def test_only_what_matters_to_the_gate_lets_it_ask_those_who_wait_again(rig: Rig) -> None:
    rig.start(mapping=TITLED)
    await rig.call("track", "t", userId="u1", event="E")
    await rig.quiet()
    await rig.stop()
    for drop in (["properties.x"], ["group.plan"]):
        same = destination(Gated, rig.vendor, mapping={**TITLED, "drop": drop})
        await rig.store.cursor("d", rig.clock.ms, gate=same.gate)
        assert await rig.store.openings("d") == []
    await rig.store.cursor("d", rig.clock.ms, gate=destination(Gated, rig.vendor).gate)
    assert await rig.store.openings("d") == [(EVERY, "")]


async def test_a_group_call_that_ended_dead_opens_nothing_when_its_trait_is_renamed_later(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: Reject("rejected") if bodies[0]["m"] == "bad" else Delivered()
    rig.start()
    await rig.call("group", "g", userId="u1", groupId="acme")
    await rig.call("group", "bad", userId="u1", groupId="acme", traits={"title": "Acme"})
    await rig.call("track", "t", userId="u1", event="E")
    await rig.quiet()
    await rig.stop()
    rig.start(mapping=TITLED)
    await rig.quiet()
    assert await rig.fate("t") == ("held", "group_name_unknown")
    await rig.call("group", "good", userId="u1", groupId="acme", traits={"title": "Acme"})
    await rig.quiet()
    assert rig.vendor.ids() == ["g", "good", "t"]


async def test_what_was_mapped_before_the_change_is_sent_as_it_was_mapped(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    rig.start(Seeing, mapping={"rename": {"properties.a": "properties.module"}})
    await rig.call("track", "t1", userId="u1", event="E", properties={"a": 1, "b": 2})
    await rig.quiet()
    await rig.stop()
    rig.vendor.answer = lambda bodies: Delivered()
    rig.start(Seeing, mapping={"rename": {"properties.b": "properties.module"}})
    await rig.call("track", "t2", userId="u1", event="E", properties={"a": 1, "b": 2})
    await rig.pass_time(20)
    assert [body["properties"] for body in rig.vendor.received] == [{"b": 2, "module": 1}, {"a": 1, "module": 2}]
