"""Destinations that keep up share opened events. A plugin that changes one is found, and gets copies."""

from __future__ import annotations

from typing import Any

import pytest

from router.deliver.process.shared_events import ALWAYS, THEN_EVERY
from router.plugin import Context, Event, Item, hookimpl
from tests.contract.rig import Plain, Rig


class Changing(Plain):
    """Puts a mark into the events of some users, which are not its own to change."""

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        properties: Any = event.payload["properties"]
        if str(event.user_id).startswith("marked"):
            properties["marked"] = True
        return Item({"m": event.message_id, "user": event.user_id, "seen": dict(properties)})


@pytest.fixture
async def rig(rig: Rig) -> Rig:
    rig.start(Changing)
    return rig


async def send(rig: Rig, name: str, n: int) -> None:
    """Accept a track of each of so many users, and let all of them be delivered."""
    first = rig.store.head
    ids = [f"{name}{first + i}" for i in range(n)]
    await rig.accept([rig.make("track", one, userId=one, event="E", properties={}) for one in ids])
    await rig.quiet()


async def opened_for_all(rig: Rig, n: int) -> int:
    """How many of the newest events are open for every destination that keeps up."""
    rows = await rig.store.read(rig.store.head - n, n, 1_000_000)
    return sum(row.opened is not None for row in rows)


async def test_a_plugin_that_changes_an_event_is_warned_of_and_gets_copies_from_then_on(rig: Rig) -> None:
    await send(rig, "marked", 1)
    assert (rig.runner.warnings, await opened_for_all(rig, 1)) == ({"changes_events": 1}, 0)
    await send(rig, "marked", 5)
    assert (rig.runner.warnings, await opened_for_all(rig, 5)) == ({"changes_events": 1}, 0)


async def test_a_plugin_that_changes_nothing_goes_on_sharing(rig: Rig) -> None:
    await send(rig, "plain", 5)
    assert (rig.runner.warnings, await opened_for_all(rig, 5)) == ({}, 5)


async def test_a_plugin_that_begins_to_change_events_later_is_found_by_a_sample(rig: Rig) -> None:
    await send(rig, "plain", ALWAYS)
    await send(rig, "marked", 1)
    assert rig.runner.warnings == {}
    await send(rig, "marked", THEN_EVERY)
    assert rig.runner.warnings == {"changes_events": 1}
