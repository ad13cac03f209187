"""The newest events of a kind: found by sender, company, name, state and time; never by reading the whole log."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.event_search import parse_filter, parse_since
from router.store import EventAsk, EventQuery, search_bounds
from router.store.postgres.queries.event_match import spread
from tests.contract.rig import Gated, Rig, open_rig

pytestmark = pytest.mark.usefixtures("backend")
BOUNDS = ("LOOK_BACK", "SLICE", "LOOK_BACK_WITH_STATES", "SLICE_WITH_STATES")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Two users of acme, one without a group, and a browser."""
    async with open_rig(tmp_path) as rig:
        rig.start(Gated)
        await rig.call("group", "g1", userId="u1", groupId="acme", traits={"name": "Acme"})
        await rig.quiet()
        await rig.call("track", "m1", userId="u1", event="Signed up")
        await rig.call("page", "m2", userId="u1", name="Docs/é")
        await rig.call("track", "m3", userId="u2", event="Signed up")
        await rig.call("track", "m4", anonymousId="a1", event="Seen", context={"groupId": "acme"})
        await rig.call("identify", "m5", userId="u3")
        await rig.quiet()
        yield rig


async def ask(rig: Rig, before: int | None = None, limit: int = 20, **words: str) -> dict[str, Any]:
    which = parse_filter(words, ["d"], rig.clock.now_ms())
    return await rig.store.queries.events(which, ["d"], before, limit)


def ids(found: dict[str, Any]) -> list[str]:
    return [event["message_id"] for event in found["items"]]


async def test_the_newest_come_first_each_with_its_state(rig: Rig) -> None:
    found = await ask(rig, limit=3)
    assert ids(found) == ["m5", "m4", "m3"]
    assert found["items"][2] == {
        "position": 4, "message_id": "m3", "source": "website", "type": "track", "name": "Signed up", "user": "user:u2",
        "group_id": None, "received_at": found["items"][2]["received_at"],
        "destinations": {"d": {"state": "held", "reason": "group_unknown"}},
    }  # fmt: skip
    assert found["next"] == 4
    rest = await ask(rig, before=found["next"])
    assert ids(rest) == ["m2", "m1", "g1"]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"user": "u1"}, ["m2", "m1", "g1"]),
        ({"user": "anonymous:a1"}, ["m4"]),
        ({"type": "track"}, ["m4", "m3", "m1"]),
        ({"name": "Signed up"}, ["m3", "m1"]),
        ({"name": "Docs/é"}, ["m2"]),
        ({"name": "Signed"}, []),
        ({"company": "acme"}, ["m4", "m2", "m1", "g1"]),
        ({"company": "acm"}, []),
        ({"source": "elsewhere"}, []),
        ({"source": "website", "user": "u1", "type": "page"}, ["m2"]),
        ({"state": "held"}, ["m3"]),
        ({"state": "held@d", "user": "u2"}, ["m3"]),
        ({"state": "delivered", "type": "track"}, ["m4", "m1"]),
        ({"state": "dead"}, []),
        ({"reason": "group_unknown"}, ["m3"]),
        ({"reason": "group_unknown", "state": "held@d"}, ["m3"]),
        ({"reason": "group_unknown", "state": "delivered"}, []),
        ({"reason": "nothing"}, []),
    ],
    ids=str,
)
async def test_events_are_found_by(words: dict[str, str], expected: list[str], rig: Rig) -> None:
    found = await rig.store.queries.events(parse_filter(words, ["d"], rig.clock.now_ms()), ["d"], None, 20)
    assert ids(found) == expected


async def test_a_person_is_found_under_the_user_id_and_the_anonymous_ids_joined_to_it(rig: Rig) -> None:
    await rig.call("identify", "m6", userId="u1", anonymousId="a1")
    await rig.call("track", "m7", anonymousId="a1", event="Seen again")
    await rig.quiet()
    assert ids(await ask(rig, user="u1")) == ["m7", "m6", "m4", "m2", "m1", "g1"]
    assert ids(await ask(rig, user="anonymous:a1")) == ["m7", "m4"]


async def test_a_group_call_counts_for_its_own_event_and_later_ones_not_for_earlier_ones(rig: Rig) -> None:
    await rig.call("group", "g2", userId="u2", groupId="other", traits={"name": "Other"})
    await rig.call("track", "m6", userId="u2", event="Later")
    assert ids(await ask(rig, company="other")) == ["m6", "g2"]


async def test_an_event_counts_for_the_group_that_its_user_was_in_at_the_time(rig: Rig) -> None:
    for group in ("other", "third"):
        await rig.call("group", f"to-{group}", userId="u2", groupId=group)
        await rig.call("track", f"in-{group}", userId="u2", event="E")
    assert ids(await ask(rig, company="other")) == ["in-other", "to-other"]
    assert ids(await ask(rig, company="third")) == ["in-third", "to-third"]
    assert {event["message_id"]: event["group_id"] for event in (await ask(rig, limit=4))["items"]} == {
        "to-other": "other", "in-other": "other", "to-third": "third", "in-third": "third",
    }  # fmt: skip


async def test_a_time_bounds_the_search(rig: Rig) -> None:
    rig.clock.advance(60)
    await rig.call("track", "m6", userId="u1", event="Late")
    assert ids(await ask(rig, since="30s")) == ["m6"]
    assert (await ask(rig, since="30s"))["next"] is None
    assert ids(await ask(rig, since="30s", state="held")) == []


async def test_a_search_gives_up_after_a_bounded_number_of_events_and_says_where(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_bounds, "SLICE", 1)
    monkeypatch.setattr(search_bounds, "LOOK_BACK", 3)
    found = await ask(rig, name="Docs/é")
    assert (ids(found), found["next"]) == ([], 4)
    assert found["searched_to"] is not None
    found = await ask(rig, before=found["next"], name="Docs/é")
    assert (ids(found), found["next"], found["searched_to"]) == (["m2"], None, None)


async def test_one_in_so_many_is_taken_evenly_and_always_the_same_ones(rig: Rig) -> None:
    for n in range(120):
        await rig.call(("track", "page")[n % 2], f"n{n}", userId="u1", event="E")
    await rig.quiet()
    which = EventQuery(type="track", after=6, every=4)
    found = await rig.store.queries.events(which, ["d"], None, 100)
    assert found == await rig.store.queries.events(which, ["d"], None, 100)
    positions = [event["position"] for event in found["items"]]
    assert positions == [pos for pos in range(126, 6, -1) if spread(pos) % 4 == 0 and pos % 2], (
        "on both stores the same"
    )
    gaps = [a["position"] - b["position"] for a, b in itertools.pairwise(found["items"])]
    assert 10 <= len(gaps) <= 20
    assert max(gaps) <= 16


@pytest.mark.parametrize(
    ("which", "count"),
    [
        (EventQuery(), 6),
        (EventQuery(after=2), 4),
        (EventQuery(type="track"), 3),
        (EventQuery(name="Signed up"), 2),
        (EventQuery(state="held"), 1),
    ],
    ids=str,
)
async def test_events_can_be_counted_only(which: EventQuery, count: int, rig: Rig) -> None:
    found = await rig.store.queries.events(msgspec.structs.replace(which, every=0), ["d"], None, 20)
    assert (found["items"], found["count"], found["head"]) == ([], count, 6)


async def test_several_kinds_are_asked_for_at_once(rig: Rig) -> None:
    asks = [
        EventAsk(EventQuery(type="track"), None, 2),
        EventAsk(EventQuery(every=0), None, 1),
        EventAsk(EventQuery(), 3, 20),
    ]
    tracks, counted, older = await rig.store.queries.events_together(asks, ["d"])
    assert (ids(tracks), counted["count"], ids(older)) == (["m4", "m3"], 6, ["m1", "g1"])
    for found, (which, before, limit) in zip((tracks, counted, older), asks, strict=True):
        assert found == await rig.store.queries.events(which, ["d"], before, limit)


async def test_a_search_since_an_instant_goes_no_further_back(rig: Rig) -> None:
    items = (await ask(rig))["items"]
    since = parse_since(items[2]["received_at"], rig.clock.now_ms())
    for after in (0, 3, 6):
        found = await rig.store.queries.events(EventQuery(since=since, after=after), ["d"], None, 20)
        expected = [one for one in items if one["received_at"] >= items[2]["received_at"] and one["position"] > after]
        assert found["items"] == expected


async def test_events_are_asked_for_by_their_positions(rig: Rig) -> None:
    found = await rig.store.queries.events(EventQuery(at=(2, 5)), ["d"], None, 20)
    assert ids(found) == ["m4", "m1"]


async def test_dead_letters_and_held_events_are_found_however_many_are_newer(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.call("track", "m6", userId="u4", event="Held")
    await rig.quiet()
    await rig.runner.drop("u:u2")
    for name in BOUNDS:
        monkeypatch.setattr(search_bounds, name, 1)
    await rig.call("track", "m7", userId="u1", event="Later")
    await rig.call("track", "m8", userId="u1", event="Later")
    await rig.quiet()
    assert ids(await ask(rig, state="dead@d")) == ["m3"]
    assert ids(await ask(rig, state="held")) == ["m6"]


async def test_held_events_of_a_person_are_found_however_many_of_others_are_newer(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        await rig.call("track", f"other{n}", userId=f"other{n}", event="E")
    await rig.call("track", "second", userId="u2", event="E")
    await rig.quiet()
    for name in BOUNDS:
        monkeypatch.setattr(search_bounds, name, 1)
    first = await ask(rig, user="u2", state="held@d")
    assert ids(first) == ["second"]
    assert first["next"] is not None
    second = await ask(rig, before=first["next"], user="u2", state="held@d")
    assert (ids(second), second["next"]) == (["m3"], None)


async def test_what_a_browser_sent_is_found_for_each_of_its_users_whoever_holds_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.call("track", "by-browser", anonymousId="a9", event="E")
    await rig.quiet()
    await rig.call("identify", "i8", userId="u8", anonymousId="a9")
    await rig.quiet()
    await rig.call("track", "by-u8", userId="u8", event="E")
    await rig.call("identify", "i9", userId="u9", anonymousId="a9")
    await rig.quiet()
    lanes = await rig.store.lookups.lanes(["a:a9", "u:u8", "u:u9"], ["d"])
    assert [lane["user"] for lane in lanes["d"]] == ["user:u8"]
    assert ids(await ask(rig, user="u9", state="held")) == ["by-browser"]
    assert ids(await ask(rig, user="anonymous:a9", state="held")) == ["by-browser"]
    assert ids(await ask(rig, user="u8", state="held")) == ["by-u8", "by-browser"]
    for name in BOUNDS:
        monkeypatch.setattr(search_bounds, name, 1)
    found = await rig.store.lookups.events_of(["u:u9", "a:a9"], ["d"], None, 20)
    assert ids(found) == ["i9", "by-browser"], "that waits, however much is newer"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"type": "trak"}, "'trak' is none of alias, group"),
        ({"state": "lost"}, "'lost' is no state of an event; write one of delivered, skipped"),
        ({"state": "held@nowhere"}, r"there is no destination 'nowhere' \(configured: d\)"),
        ({"since": "yesterday"}, "since: not a time"),
    ],
)
def test_a_word_that_is_none_is_refused(words: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_filter(words, ["d"], 0)


async def test_of_an_event_that_is_known_only_the_position_is_told(rig: Rig) -> None:
    newest = (await ask(rig, limit=2))["items"]
    which = EventQuery(known=frozenset([newest[0]["position"]]))
    found = await rig.store.queries.events(which, ["d"], None, 2)
    assert found["items"] == [{"position": newest[0]["position"]}, newest[1]]
