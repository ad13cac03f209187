"""ClientSuccess: fixtures, verdicts, the wire, and that no event whatsoever breaks the mapping."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugin_case import ANY_JSON, HttpSender, at_any_pace, check, event_of, fixtures, mapped
from pydantic import ValidationError

from plugins.clientsuccess import ClientSuccess, ClientSuccessSettings
from router.plugin import Answer, Context, Delivered, Item, Pause, Profile, Reject, RetryLater, Skip
from router.testing.vendor import FakeVendor, Reply

KNOWN = Context(user=Profile("u1", {}), group=Profile("acme", {"name": "Acme Inc."}))
ITEM = Item({"event": "Run", "usage": {"value": 1}})


def plugin(**settings: Any) -> ClientSuccess:
    return ClientSuccess(ClientSuccessSettings(**{"project_id": "PID", "api_key": "KEY", **settings}))


@pytest.mark.parametrize("path", fixtures("clientsuccess"), ids=lambda path: path.stem)
def test_fixture_gives_its_requests(path: Path) -> None:
    case = json.loads(path.read_text())
    check(ClientSuccess(ClientSuccessSettings.model_validate(case["settings"])), case)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(201, body=b'{"created": true}'), Delivered()),
        (Answer(200), Delivered()),
        (Answer(204), Delivered()),
        (Answer(201, body=b"<html>"), Delivered()),
        (Answer(201, body=b'{"created": false}'), Reject("rejected", 'status 201: "created": false')),
        (Answer(400, body=b"no"), Reject("rejected", "status_400: no")),
        (Answer(405), Reject("rejected", "status_405: ")),
        (Answer(413), Reject("too_large", "status 413: ")),
        (Answer(422), Reject("rejected", "status_422: ")),
        (Answer(401, body=b"bad key"), Pause("credentials", "status 401: bad key")),
        (Answer(403), Pause("credentials", "status 403: ", sure=False)),
        (Answer(404), Pause("set_up", "status 404: ", sure=False)),
        (Answer(302), Pause("set_up", "status 302: a redirect; is base_url right?")),
        (Answer(408), RetryLater("status_408")),
        (Answer(425), RetryLater("status_425")),
        (Answer(429, retry_after_s=2.0), RetryLater("status_429", after_s=2.0)),
        (Answer(500, body=b"oops"), RetryLater("status_500", "oops")),
        (Answer(503), RetryLater("status_503")),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
def test_verdict_says_what_follows_from_an_answer(answer: Answer, outcome: object) -> None:
    assert plugin().verdict([ITEM], answer) == outcome


def test_settings_understand_the_names_the_vendor_used_earlier() -> None:
    for old in ("tracking_id", "source_id"):
        settings = ClientSuccessSettings.model_validate({old: "PID", "tracking_api_key": "KEY"})
        assert (settings.project_id, settings.api_key.get_secret_value()) == ("PID", "KEY")


def test_settings_refuse_an_old_name_beside_the_new_one() -> None:
    with pytest.raises(ValidationError, match="tracking_id"):
        ClientSuccessSettings.model_validate({"project_id": "P", "tracking_id": "Q", "api_key": "KEY"})


def test_settings_name_what_is_missing_by_its_present_name() -> None:
    with pytest.raises(ValidationError) as failed:
        ClientSuccessSettings.model_validate({})
    assert [error["loc"] for error in failed.value.errors()] == [("project_id",), ("api_key",)]


def test_settings_refuse_a_base_url_that_is_no_url() -> None:
    with pytest.raises(ValidationError, match="base_url"):
        plugin(base_url="usage.clientsuccess.com")


def test_group_warns_until_a_name_is_known_from_any_call() -> None:
    warned: list[str] = []
    event = event_of({"type": "group", "userId": "u1", "groupId": "acme"})
    for traits in ({}, {"name": " "}, {"name": "Acme Inc."}):
        context = Context(group=Profile("acme", traits), warn=lambda reason, **numbers: warned.append(reason))
        with pytest.raises(Skip, match="remembered"):
            plugin().group(event, context)
    assert warned == ["group_name_unknown", "group_name_unknown"]


def test_the_monthly_quota_warns_from_the_sixteenth_name_on_and_begins_anew_each_month() -> None:
    warned: list[tuple[str, float]] = []
    context = Context(
        user=KNOWN.user, group=KNOWN.group, warn=lambda reason, **numbers: warned.append((reason, numbers["names"]))
    )
    sending = plugin()

    def send(names: int, month: str) -> None:
        for n in range(names):
            call = {"type": "track", "userId": "u1", "event": f"E{n}", "receivedAt": f"2024-{month}-01T00:00:00Z"}
            sending.track(event_of(call), context)
            sending.track(event_of(call), context)

    send(30, "03")
    assert warned == [("event_names_quota", n) for n in range(16, 22)]
    send(15, "04")
    assert len(warned) == 6


def test_the_monthly_quota_warns_of_events_at_80_and_at_100_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.clientsuccess.EVENTS_A_MONTH", 10)
    warned: list[dict[str, float]] = []
    context = Context(user=KNOWN.user, group=KNOWN.group, warn=lambda reason, **numbers: warned.append(numbers))
    sending = plugin()
    for _ in range(20):
        sending.track(event_of({"type": "track", "userId": "u1", "event": "Run"}), context)
    assert warned == [{"events": 8, "limit": 10}, {"events": 10, "limit": 10}]


async def test_the_wire_carries_the_event_name_as_one_path_segment() -> None:
    async with FakeVendor(Reply(201, json={"created": True})) as vendor, aiohttp.ClientSession() as session:
        sending = plugin(base_url=vendor.url)
        call = {"type": "track", "userId": "u1", "event": "A/B 50%?", "timestamp": "2024-03-01T10:00:00Z"}
        items = mapped(sending, event_of(call), KNOWN)
        answer = await HttpSender(session).send(sending.request(items))
        assert sending.verdict(items, answer) == Delivered()
    [seen] = vendor.requests
    assert (seen.method, seen.url) == (
        "POST",
        "/collector/1.0.0/projects/PID/events/A%2FB%2050%25%3F?api_key=KEY",
    )
    assert seen.headers["content-type"] == "application/json"
    assert seen.json()["timestamp"] == "2024-03-01T10:00:00.000Z"


READ = st.sampled_from(["firstName", "first_name", "lastName", "name", "email", "csValue", "value", "category"])
OBJECT = st.dictionaries(READ | st.text(), ANY_JSON, max_size=6)


@at_any_pace
@given(
    kind=st.sampled_from(["track", "page"]), name=st.none() | st.text(), traits=OBJECT, group=OBJECT, properties=OBJECT
)
def test_any_json_is_sent_as_valid_json_or_refused(
    kind: str, name: str | None, traits: dict[str, Any], group: dict[str, Any], properties: dict[str, Any]
) -> None:
    call = {"type": kind, "userId": "u1", "event": name, "name": name, "properties": properties}
    context = Context(user=Profile("u1", traits), group=Profile("acme", {"name": "Acme Inc.", **group}))
    try:
        item = getattr(plugin(), kind)(event_of(call), context)
    except (Skip, Reject):
        return
    request = plugin().request([msgspec.json.decode(msgspec.json.encode(item), type=Item)])
    request.url.encode("ascii")
    usage = msgspec.json.decode(request.body)
    assert isinstance(usage["value"], int | float)
    assert usage["identity"]["user"]["id"] == "u1"


def test_traits_nested_too_deep_for_json_are_left_out() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    context = Context(user=Profile("u1", {"deep": deep}), group=KNOWN.group)
    item = plugin().track(event_of({"type": "track", "userId": "u1", "event": "Run"}), context)
    assert "custom" not in item.body["usage"]["identity"]["user"]
