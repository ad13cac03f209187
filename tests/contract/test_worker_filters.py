"""Filters at a running worker: what goes on, what is kept back and why, and what a changed filter does to what waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from router.deliver.process.prepare import Preparer
from router.deliver.runner import ReplayOrder
from router.plugin import Context, Delivered, Event, Item, Outcome, Reject, RetryLater, hookimpl
from router.store import DeadLetterFilter
from tests.contract.rig import Plain, Rig, open_rig

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
def has_begun() -> bool:
    return False


NO_TEST = "event != 'Test'"


class Showing(Plain):
    """Sends the whole call."""

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        return Item(
            {"m": event.message_id, "user": event.user_id, "properties": event.properties, "call": event.payload}
        )


def drop(condition: str, title: str = "T") -> dict[str, Any]:
    return {"title": title, "if": condition, "actions": [{"type": "DROP"}]}


def act(type: str, condition: str = "all", **keys: Any) -> dict[str, Any]:
    return {"title": type, "if": condition, "actions": [{"type": type, **keys}]}


def takes_all(bodies: list[dict[str, Any]]) -> Outcome:
    return Delivered()


async def restart(rig: Rig, plugin: type[Any] = Plain, **tables: Any) -> None:
    """As a reload does: the worker ends in good order, and one with the new tables takes over."""
    await rig.stop()
    rig.start(plugin, **tables)
    await rig.quiet()


async def replay_all(rig: Rig) -> dict[str, Any]:
    await rig.runner.replay(ReplayOrder(since_ms=1))
    return await rig.quiet()


# ---------------------------------------------------------------- the decision


async def test_what_the_filter_is_true_for_goes_on_and_all_else_is_filtered(rig: Rig) -> None:
    rig.start(Plain, filter="type = 'track' and event != 'Test'")
    await rig.call("track", "t1", userId="u", event="Paid")
    await rig.call("track", "t2", userId="u", event="Test")
    await rig.call("identify", "i", userId="u")
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["t1"]
    assert (ledger["delivered"], ledger["filtered"]) == (1, 2)
    assert await rig.fate("t2") == await rig.fate("i") == ("filtered", "filter")


async def test_each_way_of_being_filtered_has_its_reason_in_this_order(rig: Rig) -> None:
    filters = [drop("event = 'B' or event = 'C'"), act("SAMPLE", "event = 'C'", percent=0)]
    rig.start(Plain, filter="event != 'A'", filters=filters)
    for name in "ABC":
        await rig.call("track", name, userId="u", event=name)
    await rig.call("track", "i", userId="u", event="A", integrations={"d": False})
    await rig.call("alias", "unsupported", userId="u", previousId="v", event="A")
    await rig.quiet()
    fates = [await rig.fate(m) for m in ("A", "B", "C", "i", "unsupported")]
    reasons = [reason for state, reason in fates if state == "filtered"]
    assert reasons == ["filter", "filter_drop", "filter_sample", "integrations", "filter"]


async def test_a_disabled_filter_is_not_asked(rig: Rig) -> None:
    rig.start(Plain, filters=[{**drop("all"), "enabled": False}])
    await rig.call("track", "t", userId="u", event="E")
    await rig.quiet()
    assert await rig.fate("t") == ("delivered", "")


async def test_a_destination_without_filters_runs_nothing_of_them(rig: Rig) -> None:
    rig.start(Plain, filters=[{**drop("all"), "enabled": False}])
    worker = await rig.runner.worker()
    assert type(worker.core.preparer) is Preparer


async def test_filters_see_the_event_before_the_mapping_table_changes_it(rig: Rig) -> None:
    rename = {"rename": {"properties.area": "properties.module"}}
    rig.start(Showing, filter="properties.area = 'A'", mapping=rename)
    await rig.call("track", "t", userId="u", event="E", properties={"area": "A"})
    await rig.quiet()
    assert rig.vendor.received[0]["properties"] == {"module": "A"}


async def test_a_share_keeps_the_same_events_at_every_replay(rig: Rig) -> None:
    rig.start(Plain, filters=[act("SAMPLE", percent=0.5, path="userId")])
    for user in ("u1", "u2", "u3", "alice"):
        await rig.call("track", f"t-{user}", userId=user, event="E")
    await rig.quiet()
    assert sorted(rig.vendor.ids()) == ["t-u1", "t-u3"]
    await replay_all(rig)
    assert sorted(rig.vendor.ids()) == ["t-u1", "t-u1", "t-u3", "t-u3"]


async def test_without_a_path_the_message_id_decides(rig: Rig) -> None:
    rig.start(Plain, filters=[act("SAMPLE", percent=0.5)])
    for m in ("u1", "u2", "u3", "alice"):  # ids whose share is known
        await rig.call("track", m, userId="u", event="E")
    await rig.quiet()
    assert rig.vendor.ids() == ["u1", "u3"]


# ---------------------------------------------------------------- what goes on is changed


async def test_properties_are_dropped_and_allowed_as_the_event_was_accepted(rig: Rig) -> None:
    filters = [
        act("ALLOW_PROPERTIES", "properties.a = 1", fields={"properties": ["a", "b"]}),
        act("DROP_PROPERTIES", fields={"properties": ["a"], "": ["anonymousId"]}),
    ]
    rig.start(Showing, filters=filters)
    await rig.call("track", "t", userId="u", anonymousId="x", event="E", properties={"a": 1, "b": 2, "c": 3})
    await rig.quiet()
    (sent,) = rig.vendor.received
    assert sent["properties"] == sent["call"]["properties"] == {"b": 2}
    assert "anonymousId" not in sent["call"]
    stored = await rig.store.queries.stored_call("t", None)
    assert stored is not None
    assert b'"c": 3' in stored.body


async def test_an_id_that_is_taken_out_is_gone_for_the_plugin(rig: Rig) -> None:
    rig.start(Showing, filters=[act("DROP_PROPERTIES", fields={"": ["userId"]})])
    await rig.call("track", "t", userId="u", anonymousId="x", event="E")
    await rig.quiet()
    assert (rig.vendor.received[0]["user"], "userId" in rig.vendor.received[0]["call"]) == (None, False)


# ---------------------------------------------------------------- a changed filter


async def test_what_is_tried_again_is_asked_by_a_new_filter(rig: Rig) -> None:
    rig.start(Plain)
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    await rig.call("track", "t1", userId="u", event="Test")
    await rig.call("track", "t2", userId="u", event="Paid")
    await rig.quiet()
    assert await rig.fate("t1") == ("retrying", "status_503")
    await restart(rig, filter=NO_TEST)
    rig.vendor.answer = takes_all
    ledger = await rig.pass_time(600)
    assert rig.vendor.ids() == ["t2"]
    assert await rig.fate("t1") == ("filtered", "filter")
    assert (ledger["filtered"], ledger["delivered"], ledger["retrying"], ledger["queued"]) == (1, 1, 0, 0)


async def test_what_is_tried_again_is_asked_by_a_new_filter_also_if_its_source_is_connected_no_longer(rig: Rig) -> None:
    rig.start(Plain)
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    await rig.call("track", "t1", userId="u", event="Test")
    await rig.quiet()
    sent = len(rig.vendor.calls)
    await restart(rig, filter=NO_TEST, sources=["other"])
    await rig.pass_time(600)
    assert (await rig.fate("t1"), len(rig.vendor.calls)) == (("filtered", "filter"), sent)


async def test_what_is_held_is_asked_by_a_new_filter_before_it_goes(rig: Rig) -> None:
    rig.start()
    await rig.call("track", "t1", userId="u", event="Test")
    await rig.call("track", "t2", userId="u", event="Paid")
    await rig.quiet()
    await rig.stop()
    rig.start(filter=NO_TEST)
    await rig.call("group", "g", userId="u", groupId="acme", traits={"name": "Acme"})
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["g", "t2"]
    assert (await rig.fate("t1"), ledger["held"]) == (("filtered", "filter"), 0)


async def test_what_was_delivered_stays_delivered(rig: Rig) -> None:
    rig.start(Plain)
    await rig.call("track", "t", userId="u", event="Test")
    await rig.quiet()
    await restart(rig, filter=NO_TEST)
    ledger = await replay_all(rig)
    assert (await rig.fate("t"), rig.vendor.ids()) == (("delivered", ""), ["t"])
    assert (ledger["delivered"], ledger["filtered"], ledger["replayed"]) == (1, 0, 0)


async def test_what_is_tried_again_is_mapped_again_where_other_fields_are_taken_out(rig: Rig) -> None:
    rig.start(Showing)
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    await rig.call("track", "t", userId="u", event="E", properties={"secret": 1, "x": 2})
    await rig.quiet()
    await restart(rig, Showing, filters=[act("DROP_PROPERTIES", fields={"properties": ["secret"]})])
    rig.vendor.answer = takes_all
    await rig.pass_time(600)
    assert rig.vendor.received[0]["properties"] == {"x": 2}


# ---------------------------------------------------------------- replay


async def test_a_replay_delivers_what_a_former_filter_kept_back_for_the_first_time(rig: Rig) -> None:
    rig.start(Plain, filter=NO_TEST)
    await rig.call("track", "t", userId="u", event="Test")
    await rig.call("track", "p", userId="u", event="Paid")
    await rig.quiet()
    await restart(rig)
    ledger = await replay_all(rig)
    assert await rig.fate("t") == ("delivered", "")
    counts = {name: ledger[name] for name in ("delivered", "filtered", "queued", "replayed")}
    assert counts == {"delivered": 2, "filtered": 0, "queued": 0, "replayed": 1}  # the paid one was sent before


async def test_a_replay_of_what_was_filtered_sends_nothing_a_second_time(rig: Rig) -> None:
    rig.start(Plain, filter=NO_TEST)
    rig.vendor.answer = lambda bodies: Reject("rejected", "no") if bodies[0]["m"] == "d" else Delivered()
    for message_id, name in (("t", "Test"), ("p", "Paid"), ("d", "Paid")):
        await rig.call("track", message_id, userId="u", event=name)
    await rig.quiet()
    await restart(rig)
    order = ReplayOrder(since_ms=1, filtered=True)
    assert await rig.runner.replay(replace(order, count_only=True)) == {"count": 1}
    told = await rig.runner.replay(order)
    assert (told["count"], told["filtered"]) == (1, True)
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["p", "t"]
    counts = {name: ledger[name] for name in ("delivered", "filtered", "dead", "replayed")}
    assert counts == {"delivered": 2, "filtered": 0, "dead": 1, "replayed": 0}
    told = await rig.runner.describe_replay()
    assert (told["state"], told["fed"], told["total"]) == ("done", 1, 3)


async def test_a_replay_asks_the_filter_again_and_keeps_the_counts(rig: Rig) -> None:
    rig.start(Plain, filter=NO_TEST)
    await rig.call("track", "t", userId="u", event="Test")
    await rig.quiet()
    ledger = await replay_all(rig)
    assert (await rig.fate("t"), rig.vendor.ids()) == (("filtered", "filter"), [])
    assert (ledger["filtered"], ledger["queued"]) == (1, 0)


async def test_a_filtered_event_that_dies_in_its_replay_is_a_dead_letter(rig: Rig) -> None:
    rig.start(Plain, filter=NO_TEST)
    await rig.call("track", "t", userId="u", event="Test")
    await rig.quiet()
    await restart(rig)
    rig.vendor.answer = lambda bodies: RetryLater("status_503", for_s=0)
    ledger = await replay_all(rig)
    assert (await rig.fate("t"))[0] == "dead"
    assert (ledger["dead"], ledger["filtered"], ledger["queued"]) == (1, 0, 0)
    assert await rig.runner.replay(ReplayOrder(letters=DeadLetterFilter(), count_only=True)) == {"count": 1}


async def test_a_replay_of_filtered_events_goes_on_after_a_crash_and_counts_each_once(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.start(Plain, filter=NO_TEST)
        await rig.runner.worker()  # from here on what is accepted is its own
        for n in range(250):
            await rig.call("track", f"t{n}", userId=f"u{n % 20}", event="Test")
        await rig.quiet()
        await rig.stop()
        rig.start(Plain)
        await rig.runner.replay(ReplayOrder(since_ms=1))
        for _ in range(3):
            await rig.vendor_moves()
            await rig.crash()
            rig.start(Plain)
        ledger = await rig.pass_time(60)
        assert {f"t{n}" for n in range(250)} == set(rig.vendor.ids())
        assert (ledger["delivered"], ledger["filtered"], ledger["queued"], ledger["replayed"]) == (250, 0, 0, 0)


async def test_replays_of_what_came_before_the_destination_count_nothing_twice(rig: Rig) -> None:
    await rig.call("track", "t", userId="u", event="Test")
    rig.start(Plain, filter=NO_TEST)
    await rig.runner.worker()
    await replay_all(rig)
    assert await rig.fate("t") == ("filtered", "filter")
    await restart(rig)
    ledger = await replay_all(rig)
    assert (await rig.fate("t"), rig.vendor.ids()) == (("delivered", ""), ["t"])
    assert (ledger["delivered"], ledger["filtered"], ledger["replayed"]) == (0, 0, 1)


async def test_a_group_call_that_was_tried_again_is_kept_back_by_a_new_filter_and_then_opens_nothing(rig: Rig) -> None:
    rig.start()
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    await rig.call("track", "t", userId="u", event="E")
    await rig.call("group", "g", userId="u", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    await rig.stop()
    rig.vendor.answer = takes_all
    rig.start(filter="type != 'group'")
    await rig.pass_time(600)
    assert await rig.fate("g") == ("filtered", "filter")
    assert (await rig.fate("t"), rig.vendor.ids()) == (("held", "group_unknown"), [])


# ---------------------------------------------------------------- the gate


async def test_a_group_call_that_is_kept_back_opens_nothing_and_a_later_one_decides(rig: Rig) -> None:
    rig.start(filter="!( groupId = 'secret' )")
    await rig.call("track", "t1", userId="u", event="E")
    await rig.call("group", "g1", userId="u", groupId="secret", traits={"name": "S"})
    await rig.call("track", "t2", userId="u", event="E")
    await rig.quiet()
    assert await rig.fate("g1") == ("filtered", "filter")
    assert await rig.fate("t1") == await rig.fate("t2") == ("held", "group_unknown")
    await rig.call("group", "g2", userId="u", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert [(body["m"], body["group"]) for body in rig.vendor.received] == [
        ("g2", "acme"),
        ("t1", "acme"),
        ("t2", "acme"),
    ]
    known = await rig.store.known([("u:u", 3)], ["secret"])
    assert known.companies["secret"].traits == {"name": "S"}  # the directory knows both


@pytest.mark.parametrize("order", [("t1", "g1"), ("g1", "t1")])
async def test_a_group_call_that_is_kept_back_is_named_whether_it_came_before_or_after_what_is_held(
    rig: Rig, order: tuple[str, str]
) -> None:
    rig.start(filter="type != 'group'")
    for id in order:
        if id == "g1":
            await rig.call("group", "g1", userId="u", groupId="acme", traits={"name": "Acme"})
        else:
            await rig.call("track", "t1", userId="u", event="E")
        await rig.quiet()
    queries, lookups = rig.store.queries, rig.store.lookups
    [row] = (await queries.held("d", "u:u", ""))["users"]
    [lane] = (await lookups.lanes(["u:u"], ["d"]))["d"]
    told = await queries.message("t1", None, ["d"])
    assert told is not None
    for named in (row["refused"], lane["refused"], told["destinations"]["d"]["refused"]):
        assert (named["message_id"], named["state"], named["reason"]) == ("g1", "filtered", "filter")
    await rig.call("group", "g2", userId="u", groupId="beta")
    await rig.quiet()
    [row] = (await queries.held("d", "u:u", ""))["users"]
    assert row["refused"]["message_id"] == ("g2" if order[0] == "t1" else "g1")


async def test_what_a_kept_back_group_call_says_stays_unknown_over_a_restart(rig: Rig) -> None:
    rig.start(filter="type != 'group'")
    await rig.call("group", "g", userId="u", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    await rig.stop()
    rig.start()
    await rig.call("track", "t", userId="u", event="E")
    await rig.quiet()
    assert await rig.fate("t") == ("held", "group_unknown")
    await replay_all(rig)
    assert rig.vendor.ids() == ["g", "t"]


async def test_group_calls_that_repeat_what_is_known_leave_nothing_behind_when_they_are_kept_back(rig: Rig) -> None:
    rig.start(filter="!( properties.x = 1 or context.x = 1 )")
    await rig.call("group", "g", userId="u", groupId="acme", traits={"name": "Acme"})
    for n in range(5):
        await rig.call("group", f"g{n}", userId="u", groupId="acme", traits={"name": "Acme"}, context={"x": 1})
    await rig.call("track", "t", userId="u", event="E")
    await rig.quiet()
    worker = await rig.runner.worker()
    assert rig.vendor.ids() == ["g", "t"]
    assert await worker.context.claim.group_calls() == []
