"""The quick way of a free user's event, and everything that takes the way of lanes instead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.deliver.core import Core
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import MAX_WAITING
from router.deliver.send import batcher
from router.plugin import Context, Event, Item, Pause, Reject, RetryLater, Skip, hookimpl
from router.store import LogRow
from router.testing.clock import START_MS
from router.vocabulary import LaneState, Line
from tests.contract.clients import VendorClient
from tests.contract.rig import Gated, Plain, line, open_rig
from tests.unit.deliver.parts import Parts


class Keyed(Plain):
    """Has keyed state."""

    @hookimpl
    def state_key(self, event: Event) -> str:
        return "k"


class Told(Plain):
    """Raises what the call asks for."""

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        outcomes: dict[str, Exception] = {
            "skip": Skip("unwanted"), "reject": Reject("no"), "later": RetryLater("later"), "pause": Pause("set_up"),
        }  # fmt: skip
        if event.name in outcomes:
            raise outcomes[event.name]
        return line(event, context)


class Pass(Parts):
    """All parts of a worker but its loop: no request is answered, since none is started."""

    def __init__(self, plugin: type[Any], store: Any, **tables: Any) -> None:
        super().__init__(plugin, store, **tables)
        client = VendorClient(self.vendor.exchange)
        self.core = Core(self.context, self.state, client, lambda: None)
        self.lanes.may_have_rows = False
        self._pos = 0

    async def enter(self, *calls: dict[str, Any]) -> list[Delivery]:
        """Read these from the log, in one batch."""
        deliveries = []
        for call in calls:
            self._pos += 1
            call = {"type": "track", "userId": "u1", **call}
            body = b"{}\n" + msgspec.json.encode(call)
            row = LogRow(self._pos, START_MS, "web", call["type"], f"u:{call['userId']}", f"m{self._pos}", body)
            deliveries.append(Delivery(row))
            self.work.read(deliveries[-1])
            self.work.read_pos = self._pos
            self.readiness.read(self._pos, call["type"])
        await self.core.live_pass.run(deliveries)
        return deliveries

    @property
    def settled(self) -> dict[int, tuple[str, str]]:
        """What the next commit settles."""
        return self.work.close_batch()[0].settled


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Any]:
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", START_MS)
        yield rig.store


async def test_a_free_users_event_goes_to_the_batcher_without_a_lane(store: Any) -> None:
    parts = Pass(Plain, store)
    first, second = await parts.enter({"userId": "u1"}, {"userId": "u2"})
    assert (len(parts.lanes), parts.core.batcher.waiting) == (0, 2)
    assert parts.lanes.in_flight == {"u:u1": first, "u:u2": second}
    assert first.lane is None
    assert first.items is not None


async def test_what_has_no_room_for_its_items_waits_in_a_lane_without_them(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "ITEM_BYTES", {**batcher.ITEM_BYTES, Line.LIVE: 1})
    parts = Pass(Plain, store)
    first, second = await parts.enter({"userId": "u1"}, {"userId": "u2"})
    assert (first.lane, parts.core.batcher.waiting) == (None, 1)
    assert second.lane is not None
    assert (second.items, second.event) == (None, None)
    assert [lane.key for lane in parts.run_queue.take(Line.LIVE, 9)] == ["u:u2"]


async def test_the_next_event_of_a_user_in_flight_waits_behind_it_in_a_lane(store: Any) -> None:
    parts = Pass(Plain, store)
    first, second = await parts.enter({}, {})
    lane = parts.lanes.get("u:u1")
    assert lane is not None
    assert (lane.current, list(lane.waiting)) == (first, [second])
    assert parts.core.batcher.waiting == 1
    assert parts.lanes.in_flight == {}
    assert len(parts.run_queue) == 0, "it has its turn when the first one is done, which asks for it"


async def test_more_of_a_user_in_flight_than_may_be_in_memory_asks_for_a_turn_at_once(store: Any) -> None:
    parts = Pass(Plain, store)
    await parts.enter(*[{}] * (1 + MAX_WAITING))
    assert len(parts.run_queue) == 0
    await parts.enter({})
    assert [lane.key for lane in parts.run_queue.take(Line.LIVE, 9)] == ["u:u1"]


@pytest.mark.parametrize(
    ("call", "tables", "outcome"),
    [
        ({"type": "page"}, {}, ("skipped", "unsupported")),
        ({"integrations": {"All": False}}, {}, ("filtered", "integrations")),
        ({}, {"sources": ["app"]}, ("filtered", "source")),
        ({}, {"enabled": False}, ("filtered", "disabled")),
        ({"event": "skip"}, {}, ("skipped", "unwanted")),
        ({}, {"mode": "dry-run"}, ("delivered", "dry_run")),
    ],
    ids=["unsupported", "opted out", "another source", "disabled", "skipped by the plugin", "a dry run"],
)
async def test_what_is_not_sent_is_settled_at_once(
    store: Any, call: dict[str, Any], tables: dict[str, Any], outcome: tuple[str, str]
) -> None:
    parts = Pass(Told, store, **tables)
    await parts.enter(call)
    assert (parts.core.batcher.waiting, len(parts.lanes), parts.lanes.in_flight) == (0, 0, {})
    assert parts.settled == {1: outcome}


async def test_a_dry_run_keeps_what_would_be_sent(store: Any) -> None:
    parts = Pass(Plain, store, mode="dry-run")
    await parts.enter({})
    [attempt] = parts.work.close_batch()[0].attempts
    assert (attempt.reason, '"user":"u1"' in attempt.request) == ("dry_run", True)


async def test_an_event_that_its_plugin_refuses_is_a_dead_letter_and_its_user_is_free_again(store: Any) -> None:
    parts = Pass(Told, store)
    await parts.enter({"event": "reject"})
    assert [letter.reason for letter in parts.work.close_batch()[0].dead] == ["no"]
    lane = parts.lanes.get("u:u1")
    assert lane is None or (lane.state is LaneState.FREE and not lane.current)


async def test_an_event_that_its_plugin_puts_off_blocks_its_user(store: Any) -> None:
    parts = Pass(Told, store)
    await parts.enter({"event": "later"}, {})
    lane = parts.lanes.get("u:u1")
    assert lane is not None
    assert (lane.state, len(lane.waiting)) == (LaneState.BLOCKED, 1)


async def test_a_plugin_that_pauses_its_destination_keeps_the_event_first_in_its_lane(store: Any) -> None:
    parts = Pass(Told, store)
    [delivery] = await parts.enter({"event": "pause"})
    assert parts.breaker.status.reason == "set_up"
    assert delivery.lane is not None
    assert list(delivery.lane.waiting) == [delivery]


async def test_where_there_is_a_gate_calls_that_may_open_it_take_the_way_of_lanes(store: Any) -> None:
    parts = Pass(Gated, store)
    await parts.enter({"type": "group", "groupId": "acme"}, {"type": "identify", "userId": "u2"})
    assert [lane.key for lane in parts.run_queue.take(Line.LIVE, 9)] == ["u:u1", "u:u2"]
    assert parts.core.batcher.waiting == 0


async def test_an_event_with_a_closed_gate_takes_the_way_of_lanes(store: Any) -> None:
    parts = Pass(Gated, store)
    [delivery] = await parts.enter({})
    assert delivery.lane is not None
    assert list(delivery.lane.waiting) == [delivery]


async def test_events_with_keyed_state_take_the_way_of_lanes(store: Any) -> None:
    parts = Pass(Keyed, store)
    [delivery] = await parts.enter({})
    assert delivery.lane is not None
    assert parts.core.batcher.waiting == 0


async def test_a_user_with_a_stored_lane_is_not_free(store: Any) -> None:
    parts = Pass(Plain, store)
    [delivery] = await parts.enter({})
    lane = parts.lanes.take("u:u1")
    parts.outcomes.retry(delivery, RetryLater("status_503"))
    batch, _ = parts.work.close_batch()
    await store.commit(batch)
    later = Pass(Plain, store)
    later.lanes.may_have_rows = True
    later._pos = 1
    own, other = await later.enter({}, {"userId": "u2"})
    assert own.lane is not None
    assert not own.lane.is_loaded, "its row is read before its turn"
    assert other.lane is None
    assert lane is not own.lane


# ------------------------------------------------------------ what another destination has opened


class Whole(Plain):
    """Sends the call as it came, and asks for nothing else."""

    @hookimpl
    def track(self, event: Event) -> Item:  # type: ignore[override]  # it needs no context
        return Item(event.payload)


def shared_row(envelope: bytes = b"{}", source: str = "web", **call: Any) -> LogRow:
    """An event of the newest part of the log, which all destinations read."""
    body = envelope + b"\n" + msgspec.json.encode({"type": "track", "userId": "u1", **call})
    return LogRow(1, START_MS, source, "track", "u:u1", "m1", body, is_shared=True)


async def read_by_two(
    store: Any, row: LogRow, plugin: type[Plain] = Whole, *, is_first: bool = False, **tables: Any
) -> tuple[Pass, Delivery]:
    """One of two destinations that read the same event, and its delivery. `plugin`, `tables`: of that one, which reads it after the other,
    or before."""
    other, made = Pass(Whole, store), Pass(plugin, store, **tables)
    deliveries = {}
    for one in (made, other) if is_first else (other, made):
        delivery = deliveries[one] = Delivery(row)
        one.work.read_all([delivery])
        await one.core.live_pass.run([delivery])
    return made, deliveries[made]


async def test_an_event_that_another_destination_has_opened_is_sent_with_the_same_item(store: Any) -> None:
    row = shared_row()
    made, delivery = await read_by_two(store, row)
    assert row.opened is not None
    assert made.core.batcher.waiting == 1
    assert delivery.items is not None
    assert delivery.items[0] is row.payload_item
    assert (delivery.event, made.settled) == (None, {})


whoever_reads_first = pytest.mark.parametrize("is_first", [False, True], ids=["after another", "first"])


@whoever_reads_first
@pytest.mark.parametrize(
    ("call", "tables", "reason"),
    [
        ({"integrations": {"d": False}}, {}, "integrations"),
        ({"source": "app"}, {"sources": ["web"]}, "source"),
        ({"envelope": b'{"b":true}'}, {}, "plan"),
        ({}, {"filter": "event = 'Other'"}, "filter"),
        ({}, {"consent": ["ads"], "consent_missing": "block"}, "consent_missing"),
        ({}, {"enabled": False}, "disabled"),
    ],
    ids=["opt-out", "source", "plan", "filter", "consent", "disabled"],
)
async def test_what_keeps_an_event_from_a_destination_does_so_whoever_has_opened_it(
    store: Any, call: dict[str, Any], tables: dict[str, Any], reason: str, is_first: bool
) -> None:
    made, _ = await read_by_two(store, shared_row(**call), is_first=is_first, **tables)
    assert made.core.batcher.waiting == 0
    assert made.settled == {1: ("filtered", reason)}


@whoever_reads_first
async def test_a_destination_with_a_mapping_table_sends_the_event_as_the_table_has_it(
    store: Any, is_first: bool
) -> None:
    row = shared_row(properties={"product": "shop", "rows": 1})
    _, delivery = await read_by_two(store, row, is_first=is_first, mapping={"drop": ["properties.product"]})
    assert delivery.items is not None
    assert msgspec.json.decode(delivery.items[0].json)["properties"] == {"rows": 1}


@whoever_reads_first
async def test_a_destination_gets_what_the_event_has_for_it_in_integrations(store: Any, is_first: bool) -> None:
    class ForUs(Plain):
        @hookimpl
        def track(self, event: Event) -> Item:  # type: ignore[override]  # it needs no context
            return Item(dict(event.options))

    _, delivery = await read_by_two(store, shared_row(integrations={"D": {"n": 1}}), ForUs, is_first=is_first)
    assert delivery.items is not None
    assert [item.body for item in delivery.items] == [{"n": 1}]


@whoever_reads_first
async def test_a_gated_destination_holds_the_event_whoever_has_opened_it(store: Any, is_first: bool) -> None:
    made, delivery = await read_by_two(store, shared_row(), Gated, is_first=is_first)
    assert made.core.batcher.waiting == 0
    assert delivery.lane is not None


async def test_a_busy_users_event_that_another_destination_has_opened_waits_in_a_lane(store: Any) -> None:
    made = Pass(Whole, store)
    await made.enter({})
    row = shared_row()
    row.pos = 2
    other = Pass(Whole, store)
    for one in (other, made):
        delivery = Delivery(row)
        one.work.read_all([delivery])
        await one.core.live_pass.run([delivery])
    assert delivery.lane is not None
    assert made.core.batcher.waiting == 1
