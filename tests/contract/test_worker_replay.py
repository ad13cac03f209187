"""Replays: dead letters, single events, spans of the log and the time before a destination began; and what drops letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.deliver.runner import ReplayOrder
from router.errors import CommandRefused
from router.plugin import Context, Delivered, Event, Item, Reject, RetryLater, hookimpl
from router.store import DeadLetterFilter, EventQuery
from router.store.sqlite import replay_reads
from router.testing.clock import START_MS
from tests.contract.rig import Gated, Plain, Rig, both_ways, open_rig

HOUR, DAY = 3600, 86_400
ALL = ReplayOrder(letters=DeadLetterFilter())


pytest_generate_tests = both_ways
pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
def has_begun() -> bool:
    return False


def refusing(*ids: str) -> Any:
    """A vendor that refuses these for good."""
    return lambda bodies: Reject("rejected", "no") if bodies[0]["m"] in ids else Delivered()


async def tracks(rig: Rig, *who: str) -> None:
    """Accept tracks: "u1:m1" is message m1 of user u1."""
    await rig.runner.worker()  # it begins at the head of the log
    calls = [rig.make("track", m, userId=user, event="E") for user, m in (w.split(":") for w in who)]
    await rig.accept(calls)
    await rig.quiet()


def adds_up(ledger: dict[str, Any]) -> int:
    states = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")
    assert all(ledger[state] >= 0 for state in states), ledger
    return sum(int(ledger[state]) for state in states)


# ---------------------------------------------------------------- dead letters


async def test_replayed_dead_letters_are_delivered_in_order_and_leave_dead(rig: Rig) -> None:
    rig.start(Plain)
    rig.vendor.answer = refusing("m1", "m2")
    await tracks(rig, "u1:m1", "u1:m2", "u1:m3")
    rig.vendor.answer = refusing()
    assert await rig.runner.replay(ReplayOrder(letters=DeadLetterFilter(), count_only=True)) == {"count": 2}
    answer = await rig.runner.replay(ALL)
    assert (answer["count"], answer["total"]) == (2, 2)
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["m3", "m1", "m2"]
    assert (ledger["delivered"], ledger["dead"], ledger["replayed"], adds_up(ledger)) == (3, 0, 0, 3)
    assert await rig.fate("m1") == ("delivered", "")
    assert (await rig.runner.describe_replay())["state"] == "done"


async def test_a_letter_that_dies_again_in_a_replay_is_not_tried_once_more_by_it(rig: Rig) -> None:
    rig.start(Plain)
    rig.vendor.answer = refusing("m1")
    await tracks(rig, "u1:m1")
    await rig.runner.replay(ALL)
    ledger = await rig.quiet()
    assert (ledger["dead"], adds_up(ledger), len(rig.vendor.calls)) == (1, 1, 2)
    assert await rig.fate("m1") == ("dead", "rejected")


async def test_only_the_letters_asked_for_are_replayed(rig: Rig) -> None:
    rig.start(Plain, delivery={"max_age": "1s"})
    rig.vendor.answer = lambda bodies: {"m1": Reject("rejected"), "m2": Reject("odd")}.get(bodies[0]["m"], Delivered())
    await tracks(rig, "u1:m1", "u2:m2")
    rig.clock.advance(HOUR)
    await tracks(rig, "u3:m3")
    rig.vendor.answer = refusing()
    assert await rig.runner.replay(ReplayOrder(letters=DeadLetterFilter(since=START_MS + 1), count_only=True)) == {
        "count": 0
    }
    await rig.runner.replay(ReplayOrder(letters=DeadLetterFilter(reason="odd")))
    await rig.quiet()
    assert rig.vendor.ids() == ["m3", "m2"]
    assert (await rig.fate("m1"))[0] == "dead"


async def test_a_dead_letter_whose_group_came_later_is_released_by_replay(rig: Rig) -> None:
    rig.start(Gated, hold={"max_age": "1h"})
    await tracks(rig, "u1:m1")
    await rig.pass_time(1.2 * HOUR, 300)
    assert await rig.fate("m1") == ("dead", "hold_expired")
    await rig.runner.replay(ALL)
    await rig.quiet()
    assert await rig.fate("m1") == ("held", "group_unknown")
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "ACME"})
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["g", "m1"]
    assert (ledger["held"], ledger["dead"], adds_up(ledger)) == (0, 0, 2)


async def test_a_dead_group_call_that_is_replayed_opens_the_gate(rig: Rig) -> None:
    rig.start(Gated)
    rig.vendor.answer = refusing("g")
    await tracks(rig, "u1:m1")
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "ACME"})
    await rig.quiet()
    assert (await rig.fate("m1"))[0] == "held"
    rig.vendor.answer = refusing()
    await rig.runner.replay(ALL)
    await rig.quiet()
    assert rig.vendor.ids() == ["g", "m1"]


async def test_letters_go_behind_what_waits_in_their_lane(rig: Rig) -> None:
    rig.start(Plain)
    rig.vendor.answer = refusing("m1")
    await tracks(rig, "u1:m1")
    rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=HOUR)
    await tracks(rig, "u1:m2", "u1:m3")
    rig.vendor.answer = refusing()
    await rig.runner.replay(ALL)
    await rig.pass_time(2 * HOUR, 600)
    assert rig.vendor.ids() == ["m2", "m3", "m1"]


async def test_a_replay_goes_on_after_a_crash_and_sends_each_letter(tmp_path: Path) -> None:
    names = [f"m{n}" for n in range(500)]
    async with open_rig(tmp_path) as rig:
        rig.start(Plain)
        rig.vendor.answer = refusing(*names)
        await tracks(rig, *(f"u{n % 50}:m{n}" for n in range(500)))
        rig.vendor.answer = refusing()
        await rig.runner.replay(ALL)
        while len(rig.vendor.received) < 150:
            await rig.vendor_moves()
        await rig.crash()
        sent = set(rig.vendor.ids())
        assert len(sent) < 500
        rig.start(Plain)
        ledger = await rig.quiet()
        assert set(rig.vendor.ids()) == set(names)
        assert (ledger["delivered"], ledger["dead"], adds_up(ledger)) == (500, 0, 500)
        assert (await rig.runner.describe_replay())["state"] == "done"


async def test_a_stopped_replay_feeds_nothing_more(rig: Rig) -> None:
    rig.start(Plain)
    names = [f"m{n}" for n in range(400)]
    rig.vendor.answer = refusing(*names)
    await tracks(rig, *(f"u{n}:m{n}" for n in range(400)))
    rig.vendor.answer = refusing()
    await rig.runner.replay(ALL)
    while len(rig.vendor.received) < 20:
        await rig.vendor_moves()
    await rig.runner.stop_replay()
    ledger = await rig.quiet()
    told = await rig.runner.describe_replay()
    assert told["state"] == "stopped"
    assert 20 <= ledger["delivered"] == told["fed"] < 400
    assert ledger["dead"] == told["remaining"] == 400 - told["fed"]


async def test_two_replays_at_once_are_refused(rig: Rig) -> None:
    rig.start(Plain)
    rig.vendor.answer = refusing("m1")
    await tracks(rig, "u1:m1")
    await rig.runner.pause()
    await rig.runner.replay(ALL)
    with pytest.raises(CommandRefused, match="running already"):
        await rig.runner.replay(ALL)


async def test_nothing_is_fed_while_the_destination_is_paused(rig: Rig) -> None:
    rig.start(Plain)
    rig.vendor.answer = refusing("m1")
    await tracks(rig, "u1:m1")
    await rig.runner.pause()
    rig.vendor.answer = refusing()
    await rig.runner.replay(ALL)
    await rig.quiet()
    assert (await rig.fate("m1"))[0] == "dead"
    await rig.runner.resume()
    await rig.quiet()
    assert (await rig.fate("m1"))[0] == "delivered"


class Pair(Plain):
    """Sends two items for a track."""

    @hookimpl
    def track(self, event: Event, context: Context) -> list[Item]:
        return [Item({"m": f"{event.message_id}.1"}), Item({"m": f"{event.message_id}.2"})]


async def test_a_replay_sends_only_the_items_that_were_not_delivered(rig: Rig) -> None:
    rig.start(Pair)
    rig.vendor.answer = refusing("m.2")
    await tracks(rig, "u1:m")
    rig.vendor.answer = refusing()
    await rig.runner.replay(ALL)
    await rig.quiet()
    assert rig.vendor.ids() == ["m.1", "m.2"]


# ---------------------------------------------------------------- events that are done with


async def test_one_event_is_sent_again_and_counted_beside(rig: Rig) -> None:
    rig.start(Plain)
    await tracks(rig, "u1:m1", "u1:m2")
    assert await rig.runner.replay(ReplayOrder(pos=1)) == {"count": 1}
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["m1", "m2", "m1"]
    assert (ledger["delivered"], ledger["replayed"], adds_up(ledger)) == (2, 1, 2)
    assert await rig.fate("m1") == ("delivered", "")


class Telling(Plain):
    """Sends whether a replay sent the event."""

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        return Item({"m": event.message_id, "is_replay": event.is_replay})


async def test_a_plugin_is_told_which_events_a_replay_sends(rig: Rig) -> None:
    rig.start(Telling)
    rig.vendor.answer = refusing("m2")
    await tracks(rig, "u1:m1", "u1:m2", "u2:m3")
    rig.vendor.answer = refusing()
    rig.vendor.calls.clear()
    assert await rig.runner.replay(ReplayOrder(pos=1)) == {"count": 1}
    await rig.quiet()
    await tracks(rig, "u1:m4")
    told = {body["m"]: body["is_replay"] for call in rig.vendor.calls for body in call}
    assert told == {"m1": True, "m4": False}


async def test_a_dead_letter_that_is_mapped_again_by_a_replay_is_told_so(rig: Rig) -> None:
    class Failing(Telling):
        is_mended = False

        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            if not Failing.is_mended:
                raise ValueError("not yet")
            return Item({"m": event.message_id, "is_replay": event.is_replay})

    rig.start(Failing)
    await tracks(rig, "u1:m1")
    assert await rig.fate("m1") == ("dead", "plugin_error")
    Failing.is_mended = True
    await rig.runner.replay(ALL)
    await rig.quiet()
    assert rig.vendor.calls == [[{"m": "m1", "is_replay": True}]]


async def test_what_would_be_sent_of_a_time_is_counted_without_what_waits_and_apart_from_what_was_not_sent(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_reads, "COUNTED", 2)
    await rig.accept([rig.make("track", "early", userId="u0", event="E")])  # before the destination began
    rig.start(Plain)
    rig.vendor.answer = lambda bodies: {
        "refused": Reject("rejected", "no"), "waits": RetryLater("status_503", after_s=HOUR)
    }.get(bodies[0]["m"], Delivered())  # fmt: skip
    await tracks(rig, "u1:m1", "u2:refused", "u3:waits", "u4:m4")
    await rig.accept([rig.make("track", "elsewhere", userId="u5", event="E", integrations={"All": False})])
    await rig.quiet()
    order = ReplayOrder(since_ms=START_MS - 1, count_only=True)
    assert await rig.runner.replay(order) == {"count": 4, "skipped": 0, "filtered": 1}
    assert await rig.runner.replay(ReplayOrder(pos=2, count_only=True)) == {"count": 1}
    assert await rig.runner.replay(ReplayOrder(pos=4, count_only=True)) == {"count": 0}


async def test_an_event_on_its_way_is_not_replayed(rig: Rig) -> None:
    rig.start(Plain)
    rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=HOUR)
    await tracks(rig, "u1:m1")
    with pytest.raises(CommandRefused, match="on its way"):
        await rig.runner.replay(ReplayOrder(pos=1))


async def test_a_span_is_sent_again_in_order(rig: Rig) -> None:
    rig.start(Plain)
    await tracks(rig, "u1:a", "u2:b")
    rig.clock.advance(HOUR)
    since = rig.clock.now_ms()
    await tracks(rig, "u1:c", "u2:d", "u1:e")
    rig.clock.advance(HOUR)
    await tracks(rig, "u1:f")
    order = ReplayOrder(since_ms=since, until_ms=since + 1000)
    answer = await rig.runner.replay(order)
    ledger = await rig.quiet()
    assert answer["count"] == 3
    assert [m for m in rig.vendor.ids()[6:] if m in "ce"] == ["c", "e"]
    assert sorted(rig.vendor.ids()[6:]) == ["c", "d", "e"]
    assert (ledger["replayed"], ledger["delivered"], adds_up(ledger)) == (3, 6, 6)


async def test_a_span_takes_dead_letters_along_and_leaves_alone_what_waits(rig: Rig) -> None:
    rig.start(Plain)
    rig.vendor.answer = lambda bodies: {
        "dead": Reject("rejected"), "wait": RetryLater("status_503", after_s=HOUR)
    }.get(bodies[0]["m"], Delivered())  # fmt: skip
    await tracks(rig, "u1:dead", "u2:wait", "u3:done")
    rig.vendor.answer = refusing()
    await rig.runner.replay(ReplayOrder())
    ledger = await rig.quiet()
    assert sorted(rig.vendor.ids()) == ["dead", "done", "done"]
    assert (ledger["dead"], ledger["retrying"], ledger["replayed"], adds_up(ledger)) == (0, 1, 1, 3)


@pytest.mark.only_sqlite
async def test_a_span_of_large_letters_is_read_a_part_at_a_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start(Plain)
    rig.vendor.answer = refusing("b", "d")
    await tracks(rig, "u1:a", "u2:b", "u1:c", "u2:d", "u3:e")
    replays = rig.store.claim("d").replays
    rows, dead, _, upto = await replays.settled(0, 5, ["track"], 100)
    assert ([row.pos for row in rows], sorted(dead), upto) == ([1, 2, 3, 4, 5], [2, 4], 5)
    monkeypatch.setattr(replay_reads, "SLICE_BYTES", len(rows[0].body) + dead[2].size - 1)
    rows, dead, _, upto = await replays.settled(0, 5, ["track"], 100)
    assert ([row.pos for row in rows], sorted(dead), upto) == ([1], [], 1)
    rows, dead, _, upto = await replays.settled(upto, 5, ["track"], 100)
    assert ([row.pos for row in rows], sorted(dead), upto) == ([2], [2], 2)
    rig.vendor.answer = refusing()
    await rig.runner.replay(ReplayOrder())
    ledger = await rig.quiet()
    assert sorted(rig.vendor.ids()[3:]) == ["a", "b", "c", "d", "e"]
    assert (ledger["dead"], adds_up(ledger)) == (0, 5)


async def test_a_second_sending_that_is_refused_leaves_the_event_as_it_is(rig: Rig) -> None:
    rig.start(Plain)
    await tracks(rig, "u1:m1")
    rig.vendor.answer = refusing("m1")
    rig.clock.advance(1)
    await rig.runner.replay(ReplayOrder())
    ledger = await rig.quiet()
    assert await rig.fate("m1") == ("delivered", "")
    assert (ledger["dead"], ledger["replayed"], adds_up(ledger)) == (0, 0, 1)
    told = (await rig.store.queries.message("m1", None, ["d"]) or {})["destinations"]["d"]
    assert [attempt["reason"] for attempt in told["attempts"]] == ["", "rejected"]
    assert (told["replay"]["state"], told["replay"]["reason"], ledger["beside"]["dead"]) == ("dead", "rejected", 1)


async def test_a_letter_of_a_second_sending_is_sent_once_more_and_stays_out_of_the_seven(rig: Rig) -> None:
    rig.start(Plain)
    await tracks(rig, "u1:m1")
    rig.vendor.answer = refusing("m1")
    await rig.runner.replay(ReplayOrder(pos=1))
    assert (await rig.quiet())["beside"]["dead"] == 1
    rig.vendor.answer = refusing()
    assert (await rig.runner.replay(ALL))["count"] == 1
    ledger = await rig.quiet()
    assert (ledger["delivered"], ledger["dead"], ledger["replayed"], ledger["beside"]["dead"]) == (1, 0, 1, 0)
    assert (adds_up(ledger), await letters(rig)) == (1, [])
    assert "replay" not in (await told_of(rig, "m1"))


async def test_a_new_destination_gets_the_retained_log_by_replay_group_calls_first(rig: Rig) -> None:
    await rig.call("track", "t0", userId="u1", event="E")
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "ACME"})
    await rig.call("track", "t1", userId="u1", event="E")
    rig.start(Gated)
    ledger = await rig.quiet()
    assert (rig.vendor.ids(), adds_up(ledger)) == ([], 0)
    await rig.runner.replay(ReplayOrder())
    await rig.call("track", "t2", userId="u1", event="E")
    ledger = await rig.quiet()
    told = await rig.runner.describe_replay()
    assert (told["total"], told["fed"], told["left_out"], told["remaining"]) == (3, 3, 0, 0)
    assert [m for m in rig.vendor.ids() if m != "t2"] == ["g", "t0", "t1"]
    assert (ledger["replayed"], ledger["delivered"], adds_up(ledger)) == (3, 1, 1)
    assert await rig.fate("t0") == ("delivered", "")


async def letters(rig: Rig) -> list[str]:
    """Message ids of the dead letters; the number that is told of them is right."""
    found = await rig.store.queries.dead("d", DeadLetterFilter(), None)
    assert found["kept"] == len(found["items"])
    return [item["message_id"] for item in found["items"]]


async def told_of(rig: Rig, message_id: str) -> dict[str, Any]:
    """What `why` has of a message at the destination."""
    told: dict[str, Any] = (await rig.store.queries.message(message_id, None, ["d"]) or {})["destinations"]["d"]
    return told


async def found(rig: Rig, state: str, **which: Any) -> list[str]:
    """The message ids that a search for a state finds, oldest first."""
    page = await rig.store.queries.events(EventQuery(state=state, destination="d", **which), ["d"], None, 20)
    return [item["message_id"] for item in page["items"]][::-1]


async def test_what_a_vendor_refuses_of_the_time_before_it_was_added_is_found_everywhere(rig: Rig) -> None:
    for n in range(3):
        await rig.call("track", f"b{n}", userId=f"u{n}", event="E")
    rig.start(Plain)
    rig.vendor.answer = refusing("b0", "b2")
    await rig.quiet()
    await rig.runner.replay(ReplayOrder())
    for _ in range(2):
        ledger = await rig.quiet()
        assert {state: n for state, n in ledger["beside"].items() if n} == {"delivered": 1, "dead": 2}
        assert (ledger["dead"], ledger["replayed"], adds_up(ledger)) == (0, 1, 0)
        assert await letters(rig) == await found(rig, "dead") == ["b0", "b2"]
        assert await found(rig, "dead", user_key="u:u2") == ["b2"]
        failures = await rig.store.output_reports.failures("d", 10)
        assert sorted(one["message_id"] for one in failures) == ["b0", "b2"]
        assert (await rig.store.queries.dead("d", DeadLetterFilter(), None))["dead"] == 2
        assert await rig.fate("b0") == ("dead", "rejected")
        assert (await rig.runner.describe_replay())["became"] == {"delivered": 1, "dead": 2}
        await rig.crash()
        rig.start(Plain)
    rig.vendor.answer = refusing()
    assert (await rig.runner.replay(ALL))["count"] == 2
    ledger = await rig.quiet()
    assert {state: n for state, n in ledger["beside"].items() if n} == {"delivered": 3}
    assert (await letters(rig), await found(rig, "dead"), await rig.fate("b0")) == ([], [], ("delivered", ""))
    assert (await rig.runner.describe_replay())["became"] == {"delivered": 2}
    assert await rig.store.claim("d").miscounts() == {}


async def test_what_is_held_of_the_time_before_it_was_added_is_found_everywhere_and_once_dropped_too(rig: Rig) -> None:
    for n in range(3):
        await rig.call("track", f"b{n}", userId=f"u{n}", event="E")
    rig.start(Gated)
    await rig.quiet()
    await rig.runner.replay(ReplayOrder())
    for _ in range(2):
        ledger = await rig.quiet()
        assert (ledger["beside"]["held"], ledger["held"], adds_up(ledger)) == (3, 0, 0)
        held = await rig.store.queries.held("d", None, "")
        assert (held["held"], [user["events"] for user in held["users"]]) == (3, [1, 1, 1])
        assert await found(rig, "held") == ["b0", "b1", "b2"]
        assert await found(rig, "held", user_key="u:u1") == ["b1"]
        assert await rig.fate("b0") == ("held", "group_unknown")
        assert (await rig.runner.describe_replay())["became"] == {"held": 3}
        await rig.crash()
        rig.start(Gated)
        await rig.runner.opened()
    assert await rig.runner.drop("u:u0", None) == 1
    ledger = await rig.quiet()
    assert (ledger["beside"]["held"], ledger["beside"]["dead"], adds_up(ledger)) == (2, 1, 0)
    assert await letters(rig) == await found(rig, "dead") == ["b0"]
    assert await rig.fate("b0") == ("dead", "dropped")
    await rig.runner.replay(ReplayOrder(pos=1))
    assert (await rig.quiet())["beside"]["held"] == 3
    assert (await rig.fate("b0"), await letters(rig)) == (("held", "group_unknown"), [])
    await rig.crash()
    kept = {"held": 3, "retrying": 0, "queued": 0, "dead": 0}
    assert (await rig.store.output_reports.left_over([]))["d"] == kept
    assert await rig.store.drop("d") == kept


async def test_what_is_retried_of_the_time_before_it_was_added_is_found_everywhere(rig: Rig) -> None:
    await rig.call("track", "b0", userId="u0", event="E")
    await rig.call("track", "b1", userId="u0", event="E")
    rig.start(Plain)
    rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=HOUR)
    await rig.quiet()
    await rig.runner.replay(ReplayOrder())
    ledger = await rig.quiet()
    assert {state: n for state, n in ledger["beside"].items() if n} == {"retrying": 1, "queued": 1}
    assert (await found(rig, "retrying"), await found(rig, "queued")) == (["b0"], ["b1"])
    [failure] = await rig.store.output_reports.failures("d", 10)
    assert (failure["state"], failure["message_id"], failure["reason"]) == ("retrying", "b0", "status_503")
    assert (await told_of(rig, "b0"))["next_attempt_at"] is not None
    assert (await told_of(rig, "b1"))["behind"]["message_id"] == "b0"
    rig.vendor.answer = refusing()
    ledger = await rig.pass_time(HOUR + 1, step=HOUR)
    assert {state: n for state, n in ledger["beside"].items() if n} == {"delivered": 2}
    assert (await rig.runner.describe_replay())["became"] == {"delivered": 2}


async def test_an_earlier_event_without_a_group_is_held_and_released_like_any_other(rig: Rig) -> None:
    await rig.call("track", "t0", userId="u1", event="E")
    rig.start(Gated)
    await rig.quiet()
    await rig.runner.replay(ReplayOrder())
    assert (await rig.quiet())["held"] == 0
    await rig.crash()
    rig.start(Gated)
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "ACME"})
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["g", "t0"]
    assert (ledger["replayed"], adds_up(ledger)) == (1, 1)
    assert rig.store.number("SELECT count(*) FROM parked") == 0


async def test_a_replay_that_is_cut_by_crashes_sends_the_whole_span(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.accept([rig.make("track", f"m{n}", userId=f"u{n % 30}", event="E") for n in range(600)])
        rig.start(Plain)
        await rig.quiet()
        await rig.runner.replay(ReplayOrder())
        for enough in (100, 300):
            while len(set(rig.vendor.ids())) < enough:
                await rig.vendor_moves()
            await rig.crash()
            rig.start(Plain)
        await rig.quiet()
        first: dict[str, int] = {}
        for place, m in enumerate(rig.vendor.ids()):
            first.setdefault(m, place)
        assert len(first) == 600
        for user in range(30):
            places = [first[f"m{n}"] for n in range(user, 600, 30)]
            assert places == sorted(places)


async def test_running_replays_keep_the_log_and_others_do_not(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.start(Plain)
        await tracks(rig, *(f"u1:m{n}" for n in range(20)))
        await rig.runner.pause()
        await rig.runner.replay(ReplayOrder())
        rig.clock.advance(8 * DAY)
        await tracks(rig, *(f"u2:n{n}" for n in range(300)))
        await rig.runner.resume()
        assert (await rig.quiet())["replayed"] == 20


class Counting(Plain):
    """Counts tracks of a user in keyed state."""

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        return event.user_id

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        context.state = (context.state or 0) + 1
        return Item({"m": event.message_id, "n": context.state})


async def test_what_was_mapped_before_sees_no_state_and_changes_none_when_it_is_mapped_again(rig: Rig) -> None:
    rig.start(Counting)
    await tracks(rig, "u1:m1", "u1:m2")
    await rig.runner.replay(ReplayOrder())
    await rig.quiet()
    await tracks(rig, "u1:m3")
    assert [body["n"] for body in rig.vendor.received] == [1, 2, 1, 1, 3]


async def test_a_first_sending_of_earlier_events_does_change_state(rig: Rig) -> None:
    await rig.call("track", "m1", userId="u1", event="E")
    rig.start(Counting)
    await rig.quiet()
    await rig.runner.replay(ReplayOrder())
    await rig.quiet()
    await rig.runner.replay(ReplayOrder())
    await rig.quiet()
    await tracks(rig, "u1:m2")
    assert [body["n"] for body in rig.vendor.received] == [1, 1, 2]


async def test_going_live_drops_what_the_dry_run_remembered_and_sends_nothing_of_it(rig: Rig) -> None:
    rig.start(Counting, mode="dry-run")
    await tracks(rig, "u1:m1", "u1:m2")
    await rig.stop()
    rig.start(Counting)
    await tracks(rig, "u1:m3")
    assert [(body["m"], body["n"]) for body in rig.vendor.received] == [("m3", 1)]


# ---------------------------------------------------------------- bounds


async def test_letters_are_dropped_by_hand_and_their_events_stay_dead(rig: Rig) -> None:
    rig.start(Plain)
    rig.vendor.answer = refusing("m1", "m2", "m3")
    await tracks(rig, "u1:m1", "u2:m2", "u3:m3")
    assert await rig.runner.drop_letters(DeadLetterFilter(), 1) == 1
    assert await rig.runner.drop_letters(DeadLetterFilter(reason="unheard of")) == 0
    assert await rig.runner.drop_letters(DeadLetterFilter()) == 2
    ledger = await rig.quiet()
    assert (ledger["dead"], adds_up(ledger)) == (3, 3)
    assert await rig.fate("m1") == ("dead", "rejected")
    assert (await rig.store.queries.dead("d", DeadLetterFilter(), None))["items"] == []


async def test_the_oldest_letters_go_at_the_age_they_may_reach(rig: Rig) -> None:
    rig.start(Plain, dead={"max_age": "2d"})
    rig.vendor.answer = refusing("m1", "m2")
    await tracks(rig, "u1:m1")
    await rig.pass_time(1.5 * DAY, HOUR)
    await tracks(rig, "u1:m2")
    await rig.pass_time(1 * DAY, HOUR)
    assert await letters_left(rig) == ["m2"]
    assert (await rig.fate("m1"))[0] == "dead"


async def test_the_oldest_letters_go_when_there_are_too_many_bytes(rig: Rig) -> None:
    rig.start(Plain, dead={"max_bytes": "1KB"})
    rig.vendor.answer = refusing(*(f"m{n}" for n in range(30)))
    for n in range(30):
        await tracks(rig, f"u{n}:m{n}")
        rig.clock.advance(1)
    await rig.pass_time(120, 30)
    left = await letters_left(rig)
    assert 5 < len(left) < 15
    assert left == [f"m{n}" for n in range(30 - len(left), 30)]


async def letters_left(rig: Rig) -> list[str]:
    answer = await rig.store.queries.dead("d", DeadLetterFilter(), None)
    return [item["message_id"] for item in answer["items"]]


async def test_held_events_beyond_the_bytes_of_a_destination_are_dead_letters(rig: Rig) -> None:
    rig.start(Gated, hold={"max_bytes": "1KB"})
    await tracks(rig, *(f"u{n}:m{n}" for n in range(30)))
    ledger = await rig.quiet()
    assert 5 < ledger["held"] < 20
    assert await rig.fate("m29") == ("dead", "hold_full")
    await rig.call("group", "g", userId="u0", groupId="acme", traits={"name": "ACME"})
    await rig.quiet()
    await tracks(rig, "u40:m40", "u41:m41")
    assert [await rig.fate(m) for m in ("m40", "m41")] == [("held", "group_unknown"), ("dead", "hold_full")]


# ---------------------------------------------------------------- absent destinations


async def test_a_destination_that_comes_back_within_the_retention_goes_on_where_it_stood(rig: Rig) -> None:
    rig.start(Plain)
    await tracks(rig, "u1:m1")
    await rig.stop()
    rig.store.keep_for([])
    await rig.accept([rig.make("track", "m2", userId="u1", event="E")])
    rig.start(Plain)
    await rig.quiet()
    assert rig.vendor.ids() == ["m1", "m2"]


@pytest.mark.only_sqlite
async def test_what_was_trimmed_while_a_destination_was_removed_is_dead_there_and_counted(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.store.sqlite.dedupe.MERGE_AT", 10)
    rig.start(Plain)
    await tracks(rig, "u1:m1")
    await rig.stop()
    rig.store.keep_for([])
    await rig.accept([rig.make("track", f"a{n}", userId="u1", event="E") for n in range(50)])
    rig.clock.advance(8 * DAY)
    for n in range(20):
        await rig.accept([rig.make("track", f"b{n}", userId="u1", event="E")])
    rig.start(Plain)
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["m1", *(f"b{n}" for n in range(20))]
    assert (ledger["dead"], ledger["delivered"], ledger["queued"], adds_up(ledger)) == (50, 21, 0, 71)


async def test_a_forgotten_destination_starts_anew(rig: Rig) -> None:
    rig.start(Gated)
    await tracks(rig, "u1:m1")
    await rig.stop()
    assert await rig.store.drop("d") == {"held": 1, "retrying": 0, "queued": 0, "dead": 0}
    rig.start(Gated)
    assert adds_up(await rig.quiet()) == 0


async def test_what_is_still_on_its_way_a_second_time_is_not_fed_again(rig: Rig) -> None:
    rig.start(Plain)
    await tracks(rig, "u1:m1")
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    await rig.runner.replay(ReplayOrder())
    await rig.quiet()
    await rig.runner.replay(ReplayOrder())
    await rig.quiet()
    rig.vendor.answer = lambda bodies: Delivered()
    ledger = await rig.pass_time(60)
    assert (rig.vendor.ids().count("m1"), ledger["replayed"]) == (2, 1)
