"""Destinations that keep up share an opened event: a plugin that changes one is found, told of, and gets copies from then on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from router.deliver.lanes.delivery import Delivery
from router.deliver.process import mapper
from router.deliver.process.mapper import Mapper
from router.deliver.process.plugin_state import PluginState
from router.deliver.process.prepare import EMPTY, Preparer
from router.deliver.process.shared_events import ALWAYS, THEN_EVERY
from router.input_warnings import InputWarnings
from router.plugin import Context, Event, Item, hookimpl
from router.store import LogRow, ParkedRow
from router.testing.clock import START_MS
from tests.contract.rig import Plain
from tests.unit.deliver.parts import Parts, parked_row

BODY = (
    b'{"receivedAt":"2026-01-01T00:00:00Z"}\n'
    b'{"type":"track","userId":"u1","event":"E","properties":{"plan":"gold","tags":["a"]},"context":{"ip":"1.2.3.4"}}'
)

Change = Callable[[Event], object]


class Careless(Plain):
    """Changes what it is handed."""

    change: Change

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        self.change(event)
        return Item({"plan": event.properties.get("plan")})


class Honest(Plain):
    """Sends what it is handed."""

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        return Item(event.payload)


class Side(Parts):
    """One destination, as far as it opens and maps."""

    def __init__(self, plugin: type[Plain]) -> None:
        super().__init__(plugin)
        self.warnings: list[str] = []
        state = PluginState(self.context.claim.keyed_state, self.work)
        self.mapper = Mapper(
            self.context.destination, state, lambda pos: False, lambda reason, **n: self.warnings.append(reason)
        )
        self.preparer = Preparer(self.context.destination, self.context.claim.directory, self.readiness, self.mapper)

    def map(self, shared: LogRow) -> Any:
        """The body of what it makes of an event of the log."""
        return self.item(shared).body

    def item(self, row: LogRow | ParkedRow) -> Item:
        """What it makes of an event of the log, or of one that waited."""
        delivery = Delivery(row, self.lane())
        self.preparer.open(delivery)
        mapping: Any = self.mapper.map(delivery, EMPTY, None)
        return mapping.items[0]  # type: ignore[no-any-return]


def careless(change: Change) -> Side:
    return Side(type("Told", (Careless,), {"change": staticmethod(change)}))


def row(pos: int = 1) -> LogRow:
    """An event of the log, as all destinations get it."""
    return LogRow(pos, START_MS, "web", "track", "u:u1", f"m{pos}", BODY, is_shared=True)


def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Gets the JSON of each body that is held against the contract."""
    looked: list[bytes] = []

    def fault_of_json(body: object, json: bytes) -> str:
        looked.append(json)
        return ""

    monkeypatch.setattr(mapper, "fault_of_json", fault_of_json)
    return looked


def put_plan(event: Event) -> None:
    event.properties["plan"] = "lead"  # type: ignore[index]


CHANGES: dict[str, Change] = {
    "a property is set": put_plan,
    "a property goes": lambda event: event.properties.pop("plan"),  # type: ignore[attr-defined]
    "a list grows": lambda event: event.properties["tags"].append("b"),
    "the whole call": lambda event: event.payload.update({"userId": "u2"}),  # type: ignore[attr-defined]
    "its context": lambda event: event.payload["context"].clear(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_one_plugin_changes_the_next_destination_gets_as_it_was_sent(change: Change) -> None:
    shared, first, second = row(), careless(change), Side(Honest)
    first.map(shared)
    found = second.map(shared)
    assert found["userId"] == "u1"
    assert found["properties"] == {"plan": "gold", "tags": ["a"]}
    assert found["context"] == {"ip": "1.2.3.4"}
    assert (first.warnings, second.warnings) == (["changes_events"], [])


def test_a_plugin_that_changed_one_event_opens_each_for_itself_from_then_on() -> None:
    first, second = careless(put_plan), Side(Honest)
    first.map(row(1))
    shared = row(2)
    assert second.map(shared)["properties"]["plan"] == "gold"
    assert first.map(shared)["plan"] == "lead"
    assert second.map(shared)["properties"]["plan"] == "gold"
    assert first.warnings == ["changes_events"], "told once"


def test_the_change_of_a_plugin_that_fails_is_found_too() -> None:
    def change(event: Event) -> None:
        put_plan(event)
        raise ZeroDivisionError

    shared, first = row(), careless(change)
    delivery = Delivery(shared, first.lane())
    first.preparer.open(delivery)
    first.mapper.map(delivery, EMPTY, None)
    assert first.warnings == ["changes_events"]
    assert Side(Honest).map(shared)["properties"]["plan"] == "gold"


def test_a_plugin_that_changes_nothing_shares_its_events() -> None:
    shared, first, second = row(), Side(Honest), Side(Honest)
    assert first.item(shared).json is second.item(shared).json
    assert first.warnings == []


def test_beyond_the_first_events_a_change_is_found_by_a_sample_and_may_reach_others_before_that() -> None:
    """What the sample costs us: a plugin that begins late to change events spoils up to this many for others."""
    begins = ALWAYS + 1
    seen = 0

    def change(event: Event) -> None:
        nonlocal seen
        seen += 1
        if seen >= begins:
            put_plan(event)

    first, second = careless(change), Side(Honest)
    spoiled = []
    for pos in range(1, THEN_EVERY + 10):
        shared = row(pos)
        first.map(shared)
        if second.map(shared)["properties"]["plan"] != "gold":
            spoiled.append(pos)
    assert spoiled == list(range(begins, THEN_EVERY))
    assert first.warnings == ["changes_events"]


def test_a_change_that_a_destination_had_opened_before_reaches_it() -> None:
    """Destinations of one batch open before they map: one that opened the event already keeps the changed object. A copy for
    each would take as long as opening does; the warning names the plugin."""
    shared, first, second = row(), careless(put_plan), Side(Honest)
    delivery = Delivery(shared, second.lane())
    second.preparer.open(delivery)
    first.map(shared)
    mapping: Any = second.mapper.map(delivery, EMPTY, None)
    assert mapping.items[0].body["properties"]["plan"] == "lead"


def test_what_a_plugin_sends_as_it_was_is_not_looked_at_again_once_enough_of_its_events_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = looked_at(monkeypatch)
    side = Side(Honest)
    for pos in range(1, ALWAYS + 10):
        side.item(parked_row(pos, body=BODY))
    assert len(looked) == ALWAYS


def test_what_a_plugin_sends_that_changes_its_events_is_looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = looked_at(monkeypatch)

    class Marking(Honest):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            put_plan(event)
            return Item(event.payload)

    side = Side(Marking)
    for pos in range(1, ALWAYS + 10):
        side.item(parked_row(pos, body=BODY))
    assert (len(looked), side.warnings) == (ALWAYS + 9, ["changes_events"])


def test_what_was_mended_in_an_event_is_counted_once_whoever_reads_it() -> None:
    body = b'{}\n{"type":"track","userId":"u1","event":"E","timestamp":"soon","context":[]}'
    shared = LogRow(7, START_MS, "web", "track", "u:u1", "m7", body, is_shared=True)
    warnings = InputWarnings()
    for name in (Honest, Honest):
        side = Side(name)
        side.preparer = Preparer(
            side.context.destination, side.context.claim.directory, side.readiness, side.mapper, warnings
        )
        side.map(shared)
        shared.opened = None  # as after the log's memory has let go of it
        side.map(shared)
    assert warnings.describe("web") == {"context": {"empty_list": 1}, "timestamp": {"unreadable": 1}}
