"""Who somebody is and where their events are: bounded look-ups that miss nothing which waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.plugin import Reject
from router.store import search_bounds
from router.store.postgres.queries import members as members_of_index
from router.store.sqlite.queries import finding, members
from tests.contract.rig import Gated, Rig, open_rig

pytestmark = pytest.mark.usefixtures("backend")
DAY = 86_400


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as rig:
        rig.start(Gated)
        await rig.runner.worker()
        yield rig


async def ids(rig: Rig, *keys: str, before: int | None = None, limit: int = 100) -> list[str]:
    found = await rig.store.lookups.events_of(keys, ["d"], before, limit)
    return [event["message_id"] for event in found["items"]]


async def test_a_profile_has_the_traits_the_newest_group_and_the_call_that_told_it(rig: Rig) -> None:
    await rig.call("identify", "i1", userId="u1", anonymousId="a1", traits={"name": "Ann"})
    await rig.call("group", "g1", userId="u1", groupId="old", traits={"name": "Old"})
    await rig.call("group", "g2", userId="u1", groupId="acme")
    found = await rig.store.lookups.profile("u:u1")
    assert found["traits"] == {"name": "Ann"}
    assert [(one["id"], one["name"], one["message_id"]) for one in found["groups"]] == [
        ("acme", None, "g2"),
        ("old", "Old", "g1"),
    ]
    assert (await rig.store.lookups.profile("a:a1"))["joined_to"] == "user:u1"
    assert (await rig.store.lookups.profile("u:nobody"))["traits"] is None


async def test_events_of_several_ids_come_newest_first_in_pages(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_bounds, "SLICE", 2)
    for n in range(7):
        whose = {"userId": "u1"} if n % 3 else {"anonymousId": "a1"}
        await rig.call("track", f"m{n}", event="E", **whose)
        await rig.call("track", f"other{n}", event="E", userId="u2")
    assert await ids(rig, "u:u1", "a:a1") == ["m6", "m5", "m4", "m3", "m2", "m1", "m0"]
    first = await rig.store.lookups.events_of(["u:u1", "a:a1"], ["d"], None, 3)
    assert [event["message_id"] for event in first["items"]] == ["m6", "m5", "m4"]
    assert await ids(rig, "u:u1", "a:a1", before=first["next"], limit=3) == ["m3", "m2", "m1"]


async def test_a_search_gives_up_after_a_bound_and_says_how_far_it_came(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_bounds, "SLICE", 2)
    monkeypatch.setattr(search_bounds, "LOOK_BACK", 4)
    await rig.call("identify", "first", userId="u1")
    for n in range(9):
        await rig.call("track", f"m{n}", event="E", userId="u2")
    found = await rig.store.lookups.events_of(["u:u1"], [], None, 10)
    assert (found["items"], found["gave_up"], found["next"]) == ([], True, 7)
    assert found["searched_to"] is not None


async def test_what_waits_is_found_however_old_it_is(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_bounds, "LOOK_BACK", 2)
    monkeypatch.setattr(search_bounds, "SLICE", 2)
    await rig.call("track", "held", event="E", userId="u1")
    for n in range(9):
        await rig.call("identify", f"m{n}", userId="u2")
    await rig.quiet()
    found = await rig.store.lookups.events_of(["u:u1"], ["d"], None, 10)
    [event] = found["items"]
    assert event["destinations"]["d"]["state"] == "held"


async def test_a_lane_says_which_group_call_had_no_name(rig: Rig) -> None:
    await rig.call("group", "g1", userId="u1", groupId="acme")
    await rig.call("track", "m1", event="E", userId="u1")
    await rig.quiet()
    [lane] = (await rig.store.lookups.lanes(["u:u1", "u:u2"], ["d"]))["d"]
    assert (lane["waiting_for"], lane["group_id"], lane["events"]) == ("group_name_unknown", "acme", 1)
    assert lane["told"]["message_id"] == "g1"
    group = await rig.store.lookups.group("acme", ["d"])
    assert group is not None
    assert {key: group["waits"]["d"][key] for key in ("users", "events", "waiting_for")} == {
        "users": 1, "events": 1, "waiting_for": "group_name_unknown",
    }  # fmt: skip
    await rig.call("group", "g2", userId="u1", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert await rig.store.lookups.lanes(["u:u1"], ["d"]) == {}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 50])
async def test_members_of_a_group_are_found_once_each_whatever_the_slices(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    for module in (members, members_of_index):
        monkeypatch.setattr(module, "SLICE", size)
    for n in range(12):
        await rig.call("group", f"g{n}", userId=f"u{n:02}", groupId="acme" if n % 4 else "other")
    await rig.call("group", "left", userId="u01", groupId="other")
    found, after = [], ""
    for _ in range(10):
        page = await rig.store.lookups.members("acme", after, 3)
        found += [one["user"] for one in page["members"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert found == [f"user:u{n:02}" for n in range(12) if n % 4 and n != 1]


async def test_a_trait_is_found_whatever_its_case_and_the_slices(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "SLICE", 2)
    for n in range(5):
        await rig.call(
            "identify", f"i{n}", userId=f"u{n}", traits={"email": f"U{n}@example.com", "other": "u1@example.com"}
        )
    await rig.call("group", "g1", userId="u1", groupId="acme", traits={"name": "Acme Inc"})
    assert (await rig.store.lookups.by_trait("u3@EXAMPLE.com"))["people"] == ["user:u3"]
    assert (await rig.store.lookups.by_trait("acme inc"))["groups"] == [{"id": "acme", "name": "Acme Inc"}]
    assert await rig.store.lookups.by_trait("example.com") == {"people": [], "groups": []}


async def test_lately_has_the_dead_letters_of_an_hour_and_the_last_delivery(rig: Rig) -> None:
    await rig.call("identify", "i1", userId="u1")
    await rig.quiet()
    rig.vendor.answer = lambda bodies: Reject("too_large", "no")
    await rig.call("identify", "i2", userId="u1")
    await rig.quiet()
    found = (await rig.store.lookups.recent(["d"]))["destinations"]["d"]
    assert found["dead_last_hour"] == {"too_large": 1}
    assert found["last_delivered_at"] is not None
    rig.clock.advance(2 * 3600)
    assert (await rig.store.lookups.recent(["d"]))["destinations"]["d"]["dead_last_hour"] == {}


async def test_lately_knows_when_something_was_held_and_when_something_was_let_go(rig: Rig) -> None:
    await rig.call("track", "m1", event="E", userId="u1")
    await rig.quiet()
    found = (await rig.store.lookups.recent(["d"]))["destinations"]["d"]
    assert (found["last_held_at"] is not None, found["last_let_go_at"]) == (True, None)
    rig.clock.advance(2 * DAY)
    assert (await rig.store.lookups.recent(["d"]))["destinations"]["d"]["last_held_at"] is None
    await rig.call("group", "g1", userId="u1", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert (await rig.store.lookups.recent(["d"]))["destinations"]["d"]["last_let_go_at"] is not None
