"""What `why` tells of every event: when and how it was delivered, when it is tried next, and what it waits for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from router.clock import to_iso
from router.deliver.runner import ReplayOrder
from router.plugin import Context, Delivered, Event, Item, Outcome, Pause, Reject, RetryLater, hookimpl
from router.store import DeadLetterFilter
from tests.contract.rig import Gated, Packing, Plain, Rig, both_ways

pytest_generate_tests = both_ways


async def told(rig: Rig, message_id: str) -> dict[str, Any]:
    """What `why` tells of an event at the destination."""
    answer = await rig.store.queries.message(message_id, None, ["d"])
    assert answer is not None
    found: dict[str, Any] = answer["destinations"]["d"]
    return found


def statuses(fate: dict[str, Any]) -> list[tuple[int | None, str]]:
    """(status, reason) of each attempt."""
    return [(one["status"], one["reason"]) for one in fate["attempts"]]


async def rows(rig: Rig, table: str) -> int:
    """How many rows a table of the store has."""
    count = await rig.store.queries._connection.run(
        lambda db: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    )
    return int(count)


# ------------------------------------------------------------ the attempt that delivered


async def test_a_delivered_event_tells_its_one_attempt_which_takes_no_row(rig: Rig) -> None:
    async def answer(bodies: list[dict[str, Any]]) -> Delivered:
        rig.clock.ms += 35
        return Delivered()

    rig.vendor.answer = answer
    rig.start(Plain)
    await rig.call("track", "m", userId="u", event="E")
    await rig.quiet()
    [attempt] = (await told(rig, "m"))["attempts"]
    answered = to_iso(rig.clock.now_ms())
    status = 200 if rig.over_http else None
    assert attempt == {"at": answered, "duration_ms": 35, "status": status, "error": "", "reason": ""}
    assert await rows(rig, "attempt") == 0


async def test_every_event_of_a_batch_tells_the_attempt_of_its_own_request(rig: Rig) -> None:
    rig.start(Packing)
    await rig.accept([rig.make("identify", f"m{n}", userId=f"u{n}") for n in range(10)])
    await rig.quiet()
    for n in range(10):
        assert statuses(await told(rig, f"m{n}")) == [(200 if rig.over_http else None, "")]


async def test_an_event_that_was_held_tells_the_attempt_that_delivered_it_without_a_row(rig: Rig) -> None:
    rig.start(Gated)
    await rig.call("track", "m", userId="u", event="E")
    await rig.pass_time(10)
    await rig.call("group", "g", userId="u", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    fate = await told(rig, "m")
    assert (fate["state"], fate["attempts"][0]["at"]) == ("delivered", to_iso(rig.clock.now_ms()))
    assert (len(fate["attempts"]), await rows(rig, "attempt")) == (1, 0)


async def test_after_a_pause_for_the_key_the_attempt_that_delivered_is_told_last(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: Pause("credentials", "wrong key")
    rig.start(Plain)
    await rig.call("track", "m", userId="u", event="E")
    await rig.quiet()
    rig.vendor.answer = lambda bodies: Delivered()
    rig.clock.advance(1)
    await rig.runner.resume()
    await rig.quiet()
    assert [reason for _, reason in statuses(await told(rig, "m"))] == ["credentials", ""]


async def test_a_second_sending_is_told_with_its_reason(rig: Rig) -> None:
    rig.start(Plain)
    await rig.call("track", "m", userId="u", event="E")
    await rig.quiet()
    rig.clock.advance(60)
    await rig.runner.replay(ReplayOrder(since_ms=rig.clock.now_ms() - 120_000))
    await rig.pass_time(10)
    assert [reason for _, reason in statuses(await told(rig, "m"))] == ["", "replayed"]


async def test_a_vendor_that_answers_429_again_and_again_leaves_a_row_each_time_their_number_doubles(rig: Rig) -> None:
    rig.over_http = True  # a 429 is an answer over HTTP
    rig.vendor.answer = lambda bodies: RetryLater("status_429", after_s=1)
    rig.start(Plain)
    await rig.call("track", "m", userId="u", event="E")
    await rig.pass_time(40, 1)
    assert len(rig.vendor.calls) >= 20
    assert statuses(await told(rig, "m")) == [(429, "status_429")] * len(rig.vendor.calls).bit_length()
    rig.vendor.answer = lambda bodies: Delivered()
    await rig.pass_time(5, 1)
    assert statuses(await told(rig, "m"))[-1] == (200, "")


# ------------------------------------------------------------ what it waits for


async def test_an_event_that_is_tried_again_tells_when_and_those_behind_it_name_it(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503", "down")
    rig.start(Plain)
    await rig.accept([rig.make("track", m, userId="u", event="E") for m in ("first", "second")])
    await rig.quiet()
    first, second = await told(rig, "first"), await told(rig, "second")
    assert first["state"] == "retrying"
    assert to_iso(rig.clock.now_ms()) < first["next_attempt_at"] <= to_iso(rig.clock.now_ms() + 1_000)
    behind = {"message_id": "first", "state": "retrying", "reason": "status_503"}
    assert second["behind"] == {**behind, "next_attempt_at": first["next_attempt_at"]}


async def test_a_held_event_names_its_group_call_while_that_is_on_its_way(rig: Rig) -> None:
    rig.start(Gated)
    await rig.call("track", "m", userId="u", event="E")
    await rig.quiet()
    assert "group_call" not in await told(rig, "m")
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    await rig.call("group", "g", userId="u", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    fate = await told(rig, "m")
    assert fate["state"] == "held"
    assert (fate["group_call"]["message_id"], fate["group_call"]["state"]) == ("g", "retrying")
    assert fate["group_call"]["next_attempt_at"] > to_iso(rig.clock.now_ms())


async def test_what_was_released_and_met_a_pause_is_queued_and_held_nowhere(rig: Rig) -> None:
    rig.start(Gated)
    await rig.accept([rig.make("track", m, userId="u", event="E") for m in ("m1", "m2", "m3")])
    await rig.quiet()
    assert (await rig.store.queries.held("d", None, ""))["held"] == 3

    def answer(bodies: list[dict[str, Any]]) -> Outcome:
        return Delivered() if bodies[0]["type"] == "group" else Pause("credentials", "wrong key")

    rig.vendor.answer = answer
    await rig.call("group", "g", userId="u", groupId="acme", traits={"name": "Acme"})
    ledger = await rig.quiet()
    assert (ledger["state"], ledger["held"], ledger["queued"]) == ("paused", 0, 3)
    assert [await rig.fate(m) for m in ("m1", "m2", "m3")] == [("queued", "released")] * 3
    assert statuses(await told(rig, "m1"))[-1][1] == "credentials"
    assert (await told(rig, "m2"))["behind"]["message_id"] == "m1"
    assert await rig.store.queries.held("d", None, "") == {"held": 0, "users": [], "next": None}
    assert await rig.store.queries.waiting("d") == []
    rig.vendor.answer = lambda bodies: Delivered()
    await rig.runner.resume()
    ledger = await rig.quiet()
    assert (ledger["delivered"], ledger["held"], ledger["queued"]) == (4, 0, 0)


async def test_an_event_behind_a_pause_waits_for_that_and_is_not_on_its_way(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: Pause("credentials", "wrong key")
    rig.start(Plain)
    await rig.call("track", "met", userId="u", event="E")
    await rig.quiet()
    await rig.call("track", "after", userId="v", event="E")
    await rig.quiet()
    assert [await rig.fate(m) for m in ("met", "after")] == [("queued", "paused")] * 2
    found = await rig.store.lookups.events_of(["u:v"], ["d"], None, 10)
    assert [one["destinations"]["d"]["reason"] for one in found["items"]] == ["paused"]
    await rig.runner.resume()
    rig.vendor.answer = lambda bodies: Delivered()
    await rig.quiet()
    await rig.runner.resume()
    await rig.quiet()
    assert [await rig.fate(m) for m in ("met", "after")] == [("delivered", "")] * 2


async def test_an_event_behind_an_open_breaker_waits_for_that(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503", "down")
    rig.start(Plain)
    await rig.accept([rig.make("track", f"m{n}", userId=f"u{n}", event="E") for n in range(12)])
    await rig.quiet()
    assert (await rig.quiet())["state"] == "breaker_open"
    await rig.call("track", "after", userId="v", event="E")
    await rig.quiet()
    assert await rig.fate("after") == ("queued", "breaker_open")


async def test_timers_are_counted_and_told_of_their_user(rig: Rig) -> None:
    rig.start(Waking)
    await rig.call("track", "m", userId="u", event="E")
    await rig.call("track", "other", userId="v", event="E")
    ledger = await rig.quiet()
    due = to_iso(rig.clock.now_ms() // 1000 * 1000 + 3_600_000)
    assert (ledger["timers"], ledger["next_timer_at"]) == (2, due)
    fate = await told(rig, "m")
    assert (fate["state"], fate["timers"], fate["next_timer_at"]) == ("delivered", 1, due)


async def test_dead_letters_of_timers_are_told_apart_from_those_of_events(rig: Rig) -> None:
    rig.start(Waking)
    await rig.call("track", "m", userId="u", event="E")
    await rig.quiet()
    rig.vendor.answer = lambda bodies: Reject("no", "not that one")
    await rig.pass_time(3_700, 600)
    found = await rig.store.queries.dead("d", DeadLetterFilter(), None)
    assert (found["dead"], found["kept"], found["kept_of_timers"]) == (0, 1, 1)


# ------------------------------------------------------------ plugins


class Waking(Plain):
    """Sets a timer for an hour after each track."""

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        return event.user_id

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        context.wake(event.received_at + timedelta(hours=1))
        return Item({"m": event.message_id, "type": event.type, "user": event.user_id})

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Item:
        return Item({"m": f"end-{key}", "type": "wake", "user": key})
