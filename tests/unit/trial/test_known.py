"""What a trial knows: what was said of the user, and what the calls tell."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from router.plugin import Context, Event, Group, Item, Request, Settings, UserId, hookimpl, json_request
from router.testing.around import make_destination
from router.trial import NOTHING_KNOWN, Intake, Known, try_events

HELLO = {"type": "track", "userId": "u1", "event": "Hello"}
ACME = {"type": "group", "userId": "u1", "groupId": "acme", "traits": {"name": "Acme"}}


class Told:
    """Sends what it is told of group and user."""

    settings_model = Settings
    requires: ClassVar[Any] = {"track": (UserId(), Group("id", "name"))}

    def __init__(self, settings: Settings) -> None: ...

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        group, user = context.group, context.user
        return Item({"company": group and group.traits, "user": user and user.traits, "was": context.previous_group_id})

    group = identify = track

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        return json_request("https://told.example.com/in", items[0].body)


async def tried(*calls: dict[str, Any], known: Known = NOTHING_KNOWN) -> list[dict[str, Any]]:
    given = [json.dumps(call).encode() for call in calls]
    events = await try_events(given, Intake("website"), [make_destination(Told)], known, 1_000)
    return [event["destinations"][name] for event in events for name in event["destinations"]]


def bodies(events: list[dict[str, Any]]) -> list[Any]:
    return [item["body"] for event in events for item in event["items"]]


async def test_the_traits_of_the_call_itself_are_known_as_in_the_daemon() -> None:
    identify = {"type": "identify", "userId": "u1", "traits": {"plan": "pro"}}
    assert bodies(await tried(ACME)) == [{"company": {"name": "Acme"}, "user": None, "was": None}]
    assert bodies(await tried(identify)) == [{"company": None, "user": {"plan": "pro"}, "was": None}]


async def test_they_are_merged_with_what_is_known_from_before() -> None:
    known = Known({"plan": "free"}, "acme", {"name": "Old", "seats": 3})
    [body] = bodies(await tried(ACME, known=known))
    assert body == {"company": {"seats": 3, "name": "Acme"}, "user": {"plan": "free"}, "was": "acme"}


async def test_a_group_call_opens_the_gate_for_the_calls_after_it() -> None:
    before, _, after = await tried(HELLO, ACME, HELLO)
    assert (before["outcome"], after["outcome"]) == ("held", "deliver")
    assert bodies([after])[0]["company"] == {"name": "Acme"}


async def test_a_group_call_moves_a_user_whose_group_was_known() -> None:
    body = bodies(await tried(ACME, HELLO, known=Known({}, "old", {"name": "Old"})))[-1]
    assert body["company"] == {"name": "Acme"}
