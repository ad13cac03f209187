"""ClientSuccess: fixtures, verdicts, the wire, and that no event whatsoever breaks the mapping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plugins.clientsuccess import ClientSuccess, ClientSuccessSettings
from router.plugin import Answer, Context, Delivered, Item, Pause, Profile, Reject, RetryLater, Skip
from router.plugin_host import Redactor
from router.testing import CheckFixture, fixture_files, open_sender
from router.testing.vendor import FakeVendor, Reply
from tests.contract.plugin_case import ANY_JSON, FIXTURES, event_of, mapped

KNOWN = Context(user=Profile("u1", {}), group=Profile("acme", {"name": "Acme Inc."}))
ITEM = Item({"event": "Run", "usage": {"value": 1}})


def plugin(**settings: Any) -> ClientSuccess:
    return ClientSuccess(ClientSuccessSettings(**{"project_id": "PID", "api_key": "KEY", **settings}))


@pytest.mark.parametrize("path", fixture_files(FIXTURES / "clientsuccess"), ids=lambda path: path.stem)
def test_fixture_gives_its_requests(path: Path, check_fixture: CheckFixture) -> None:
    check_fixture(ClientSuccess, path)


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


@pytest.mark.parametrize("old", [old for old, name in ClientSuccessSettings.old_names.items() if name == "project_id"])
@pytest.mark.parametrize("key", [old for old, name in ClientSuccessSettings.old_names.items() if name == "api_key"])
def test_settings_understand_the_names_they_had_elsewhere(old: str, key: str) -> None:
    settings = ClientSuccessSettings.model_validate({old: "PID", key: "KEY"})
    assert (settings.project_id, settings.api_key.get_secret_value()) == ("PID", "KEY")


def test_settings_refuse_an_old_name_beside_the_new_one() -> None:
    with pytest.raises(ValidationError, match="project_id and tracking_id are one setting; keep project_id only"):
        ClientSuccessSettings.model_validate({"project_id": "P", "tracking_id": "Q", "api_key": "KEY"})


def test_settings_name_what_is_missing_by_its_present_name() -> None:
    with pytest.raises(ValidationError) as failed:
        ClientSuccessSettings.model_validate({})
    assert [error["loc"] for error in failed.value.errors()] == [("project_id",), ("api_key",)]


def test_settings_refuse_a_base_url_that_is_no_url() -> None:
    with pytest.raises(ValidationError, match="base_url"):
        plugin(base_url="usage.clientsuccess.com")


def test_a_group_call_without_an_id_is_refused() -> None:
    with pytest.raises(Reject, match="invalid_group_id"):
        plugin().group(event_of({"type": "group", "userId": "u1", "traits": {"name": "Acme Inc."}}), Context())


def test_group_warns_until_a_name_is_known_from_any_call() -> None:
    warned: list[str] = []
    event = event_of({"type": "group", "userId": "u1", "groupId": "acme"})
    for traits in ({}, {"name": " "}, {"name": "Acme Inc."}):
        context = Context(group=Profile("acme", traits), warn=lambda reason, **numbers: warned.append(reason))
        with pytest.raises(Skip, match="remembered"):
            plugin().group(event, context)
    assert warned == ["group_name_unknown", "group_name_unknown"]


# ---------------------------------------------------------------- the account's quota


class Month:
    """Sends events through an instance, with keyed state as the router keeps it; another instance is a restart."""

    def __init__(self) -> None:
        self.warned: list[tuple[str, dict[str, float]]] = []
        self.states: dict[str, Any] = {}
        self.sent = 0
        self.instance = plugin()

    def send(self, name: str = "Run", month: str = "03", **fields: Any) -> None:
        self.sent += 1
        call = {"type": "track", "userId": "u1", "event": name, "messageId": f"m{self.sent}"}
        event = event_of({**call, "receivedAt": f"2024-{month}-01T00:00:00Z", **fields})
        key = self.instance.state_key(event)
        assert key is not None
        context = Context(
            user=KNOWN.user, group=KNOWN.group, state=self.states.get(key),
            warn=lambda reason, **numbers: self.warned.append((reason, numbers)),
        )  # fmt: skip
        self.instance.track(event, context)
        assert len(msgspec.json.encode(context.state)) < 1000
        self.states[key] = msgspec.json.decode(msgspec.json.encode(context.state))


def test_names_are_warned_of_when_80_and_when_100_percent_of_them_are_used() -> None:
    month = Month()
    for n in range(40):
        month.send(f"E{n}")
        month.send(f"E{n}")
    assert month.warned == [
        ("event_names_quota_near", {"names": 16, "limit": 20}),
        ("event_names_quota_used_up", {"names": 20, "limit": 20}),
    ]


def test_events_are_warned_of_when_80_and_when_100_percent_of_them_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.clientsuccess.quota.EVENTS_A_MONTH", 100)
    month = Month()
    for _ in range(200):
        month.send()
    assert month.warned == [
        ("events_quota_near", {"events": 80, "limit": 100}),
        ("events_quota_used_up", {"events": 100, "limit": 100}),
    ]


def test_the_quota_begins_anew_each_month_and_a_late_event_counts_to_the_month_that_runs() -> None:
    month = Month()
    for n in range(16):
        month.send(f"E{n}")
    month.warned.clear()
    month.send("E0", month="04")
    for n in range(14):
        month.send(f"E{n}", month="03")
    assert month.warned == []
    month.send("E14")
    month.send("E15", month="04")
    assert month.warned == [("event_names_quota_near", {"names": 16, "limit": 20})]


def test_the_quota_s_counts_survive_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """DirectorySnapshot again shard by shard, so the warning may come a few events late, but it does come."""
    monkeypatch.setattr("plugins.clientsuccess.quota.EVENTS_A_MONTH", 1000)
    month = Month()
    for n in range(700):
        month.send(f"E{n % 15}")
        if n % 200 == 199:
            month.instance = plugin()
    assert month.warned == []
    for _ in range(200):
        month.send("E0")
    assert month.warned == [("events_quota_near", {"events": 800, "limit": 1000})]
    assert sum(state["events"] for state in month.states.values()) == 900


def test_an_event_that_is_sent_again_takes_nothing_from_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay maps it without its state, and keeps nothing of what it would count."""
    monkeypatch.setattr("plugins.clientsuccess.quota.EVENTS_A_MONTH", 100)
    month = Month()
    for _ in range(79):
        month.send()
    replayed = event_of({"type": "track", "userId": "u1", "event": "Run", "receivedAt": "2024-03-01T00:00:00Z"})
    month.instance.track(replayed, Context(user=KNOWN.user, group=KNOWN.group))
    assert month.warned == []
    month.send()
    assert month.warned == [("events_quota_near", {"events": 80, "limit": 100})]


def test_only_what_is_sent_counts_towards_the_quota() -> None:
    sending = plugin()
    for kind in ("identify", "group"):
        assert sending.state_key(event_of({"type": kind, "userId": "u1", "groupId": "g"})) is None


async def test_the_wire_carries_the_event_name_as_one_path_segment() -> None:
    settings = {"project_id": "PID", "api_key": "KEY", "base_url": "https://cs.test"}
    async with (
        FakeVendor(Reply(201, json={"created": True})) as vendor,
        open_sender(ClientSuccess, settings, vendor) as sender,
    ):
        call = {"type": "track", "userId": "u1", "event": "A/B 50%?", "timestamp": "2024-03-01T10:00:00Z"}
        assert await sender.deliver(mapped(sender.plugin, event_of(call), KNOWN)) == [Delivered()]
    [seen] = vendor.requests
    assert (seen.method, seen.url) == (
        "POST",
        "https://cs.test/collector/1.0.0/projects/PID/events/A%2FB%2050%25%3F?api_key=KEY",
    )
    assert seen.headers["content-type"] == "application/json"
    assert seen.json()["timestamp"] == "2024-03-01T10:00:00.000Z"


async def test_the_key_is_masked_wherever_a_request_is_shown() -> None:
    """As it stands in the URL, and where JSON or an error repeats it."""
    key = "k/y ü+1"
    sending = plugin(api_key=key)
    request = sending.request([ITEM])
    assert request.url.endswith("?api_key=k%2Fy%20%C3%BC%2B1")
    redactor = Redactor((key,))
    for shown in (request.url, repr(sending.settings), f"no answer from {request.url}"):
        assert "k%2Fy" not in redactor.text(shown)
        assert key not in redactor.text(shown)


def test_no_more_than_ten_requests_are_in_flight() -> None:
    assert plugin().kinds[""].concurrency == 10


READ = st.sampled_from(["firstName", "first_name", "lastName", "name", "email", "csValue", "value", "category"])
OBJECT = st.dictionaries(READ | st.text(), ANY_JSON, max_size=6)


@given(
    kind=st.sampled_from(["track", "page"]), name=st.none() | st.text(), traits=OBJECT, group=OBJECT, properties=OBJECT
)
@pytest.mark.long
def test_any_json_is_sent_as_valid_json_or_refused(
    kind: str, name: str | None, traits: dict[str, Any], group: dict[str, Any], properties: dict[str, Any]
) -> None:
    call = {"type": kind, "userId": "u1", "event": name, "name": name, "properties": properties}
    context = Context(user=Profile("u1", traits), group=Profile("acme", {"name": "Acme Inc.", **group}))
    try:
        item = getattr(plugin(), kind)(event_of(call), context)
    except (Skip, Reject):
        return
    sending = plugin(api_key="the-secret")
    assert b"the-secret" not in item.json
    request = sending.request([Item.of_json(item.json, item.kind)])
    assert b"the-secret" not in request.body
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
