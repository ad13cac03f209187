"""What held events wait for, in numbers: at once for whoever asks, and once a day in the log."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from router.deliver.jobs.held_report import LOOK_S
from router.logger import make_log
from router.store import Waits
from tests.contract.rig import Gated, Rig, open_rig

pytestmark = pytest.mark.usefixtures("backend")

HOUR = 3600.0


@pytest.fixture
def lines() -> io.StringIO:
    """What the log writes."""
    return io.StringIO()


@pytest.fixture
async def rig(tmp_path: Path, lines: io.StringIO) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as rig:
        rig.log = make_log("info", "json", clock=rig.clock, stream=lines)
        rig.start(Gated)
        await rig.quiet()
        yield rig


def told(lines: io.StringIO) -> list[dict[str, Any]]:
    """The lines about waiting events, in order."""
    return [line for line in map(json.loads, lines.getvalue().splitlines()) if line["event"] == "events_waiting"]


async def hours(rig: Rig, n: float) -> None:
    await rig.pass_time(n * HOUR, step=LOOK_S)


async def test_held_events_and_their_users_are_counted_by_what_they_wait_for(rig: Rig) -> None:
    await rig.call("track", "m1", userId="u1", event="E")
    await rig.call("track", "m2", userId="u1", event="E")
    await rig.call("track", "m3", anonymousId="a1", event="E")
    await rig.call("group", "g1", userId="u2", groupId="acme")
    await rig.call("track", "m4", userId="u2", event="E")
    await rig.quiet()
    rig.clock.advance(60)
    assert await rig.runner.waiting.describe() == {
        "group_unknown": {"events": 3, "users": 2, "oldest_s": 60.0},
        "group_name_unknown": {"events": 1, "users": 1, "oldest_s": 60.0},
    }


async def test_nothing_waits_once_the_groups_are_known(rig: Rig) -> None:
    await rig.call("track", "m1", userId="u1", event="E")
    await rig.quiet()
    await rig.call("group", "g1", userId="u1", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert await rig.runner.waiting.describe() == {}


async def test_the_log_tells_once_a_day_what_has_waited_for_longer_than_a_day(rig: Rig, lines: io.StringIO) -> None:
    await rig.call("track", "m1", userId="u1", event="E")
    await rig.call("track", "m2", userId="u2", event="E")
    await hours(rig, 23)
    assert told(lines) == []
    await hours(rig, 2)
    [line] = told(lines)
    assert (line["level"], line["destination"]) == ("warning", "d")
    assert line["waiting_for"] == {"group_unknown": {"events": 2, "users": 2}}
    assert line["oldest"].startswith("2026-03-02T09:30:00")
    assert line["paste"].endswith("held d")
    await hours(rig, 22)
    assert len(told(lines)) == 1
    await hours(rig, 3)
    assert len(told(lines)) == 2


async def test_the_log_says_nothing_of_a_day_in_which_the_group_came(rig: Rig, lines: io.StringIO) -> None:
    await rig.call("track", "m1", userId="u1", event="E")
    await hours(rig, 20)
    await rig.call("group", "g1", userId="u1", groupId="acme", traits={"name": "Acme"})
    await hours(rig, 30)
    assert told(lines) == []


async def test_a_slow_count_is_not_made_again_for_each_who_asks(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million users who wait take half a second to count: then one count is good for ten."""
    made = 0
    count = rig.store.queries.waiting

    async def slow(destination: str) -> Any:
        nonlocal made
        made += 1
        rig.clock.advance(0.5)
        return await count(destination)

    monkeypatch.setattr(rig.store.queries, "waiting", slow)
    for _ in range(10):
        await rig.runner.waiting.describe()
        rig.clock.advance(0.9)
    assert made == 1
    rig.clock.advance(1.1)
    await rig.runner.waiting.describe()
    assert made == 2


async def test_a_fault_of_the_looking_names_the_destination(
    rig: Rig, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(name: str) -> list[Waits]:
        raise RuntimeError(f"of {name}")

    monkeypatch.setattr(rig.runner.waiting._queries, "waiting", broken)
    await hours(rig, 1)
    [fault] = [line for line in map(json.loads, lines.getvalue().splitlines()) if line["event"] == "internal_error"]
    assert (fault["reason"], "RuntimeError: of d" in fault["detail"]) == ("waiting-d", True)
