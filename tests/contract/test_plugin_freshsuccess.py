"""Freshsuccess: fixtures, both APIs' batches and verdicts, partial failures, the wire, and any JSON at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plugins.freshsuccess import ACCOUNTS, EVENTS, USERS, Freshsuccess, FreshsuccessSettings
from router.plugin import (
    Answer,
    Context,
    Delivered,
    Group,
    Item,
    Outcome,
    Pause,
    Profile,
    Reject,
    RetryLater,
    Skip,
    Split,
    UserId,
)
from router.testing import CheckFixture, Rehearsal, fixture_files, open_sender
from router.testing.vendor import FakeVendor, Garbage, Reply, Reset, ShortBody
from tests.contract.plugin_case import ANY_JSON, FIXTURES, event_of, mapped

JOIN_DATE = "Missing/invalid required field(s) for Accounts insert: 'join_date'"


KEYS = {"event_auth_key": "AUTH", "event_api_key": "KEY", "account_api_key": "AKEY"}


def plugin(**settings: Any) -> Freshsuccess:
    return Freshsuccess(FreshsuccessSettings(**{**KEYS, **settings}))


def records(n: int, kind: str = ACCOUNTS) -> list[Item]:
    return [Item({"account_id": f"g{at}"}, kind) for at in range(n)]


def answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, body=json.dumps(body).encode())


def failed(*indexes: int, message: str = "Invalid type for property: tier") -> list[dict[str, Any]]:
    return [{"message": message, "account_id": f"g{at}", "record": at} for at in indexes]


def each(items: list[Item], found: Outcome | Sequence[Outcome]) -> list[Outcome]:
    return [found] * len(items) if isinstance(found, Outcome) else list(found)


@pytest.mark.parametrize("path", fixture_files(FIXTURES / "freshsuccess"), ids=lambda path: path.stem)
def test_fixture_gives_its_requests(path: Path, check_fixture: CheckFixture) -> None:
    check_fixture(Freshsuccess, path)


# ---------------------------------------------------------------- settings and what they change


def test_account_mode_holds_identify_until_the_account_is_known() -> None:
    assert plugin().requires == {"track": (UserId(),), "identify": (UserId(), Group("id"))}


def test_event_mode_holds_nothing_and_needs_a_user_everywhere() -> None:
    needs = {"track": (UserId(),), "identify": (UserId(),), "group": (UserId(),)}
    assert plugin(account_api_key="").requires == needs
    assert plugin(account_api_key="", send_pages=True).requires == {**needs, "page": (UserId(),), "screen": (UserId(),)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "asia"},
        {"group_dimensions": "some"},
        {"event_key_style": "kebab"},
        {"api_base_url": "api-us.freshsuccess.com"},
        {"session_timeout_minutes": 0},
        {"session_timeout_minutes": 1441},
        {"session_timeout_minutes": float("nan")},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_settings_refuse_what_means_nothing(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        plugin(**wrong)


def test_the_region_picks_both_hosts() -> None:
    sending = plugin(region="eu")
    assert sending.request([Item({}, EVENTS)]).url == "https://events-eu.freshsuccess.com/v1/AUTH/KEY"
    assert sending.request([Item({}, USERS)]).url == "https://api-eu.freshsuccess.com/api/v2/account_users"


# ---------------------------------------------------------------- the Event API


def test_two_events_are_one_body_of_two_lines_without_an_array() -> None:
    sending = plugin()
    calls = [{"type": "track", "userId": "u1", "groupId": "acme", "event": f"E{n}\u2028"} for n in range(2)]
    items = [item for call in calls for item in mapped(sending, event_of(call), Context())]
    [request] = Rehearsal(Freshsuccess, KEYS).requests(items)
    body = request.body
    assert body.count(b"\n") == 2
    assert [json.loads(line)["feature"] for line in body.split(b"\n")[:-1]] == ["E0", "E1"]


@pytest.mark.parametrize(
    ("status", "alone", "in_a_batch"),
    [
        (200, Delivered, Delivered),
        (202, Delivered, Delivered),
        (400, Reject, Split),
        (413, Reject, Split),
        (422, Reject, Split),
        (401, Pause, Pause),
        (403, Pause, Pause),
        (408, RetryLater, RetryLater),
        (429, RetryLater, RetryLater),
        (500, RetryLater, RetryLater),
    ],
)
@pytest.mark.parametrize("kind", [EVENTS, ACCOUNTS, USERS])
def test_verdict_by_status(status: int, alone: type, in_a_batch: type, kind: str) -> None:
    given = answer({"status_is_ok": True}, status)
    for n, expected in ((1, alone), (2, in_a_batch)):
        items = records(n, kind)
        assert [type(outcome) for outcome in each(items, plugin().verdict(items, given))] == [expected] * n


@pytest.mark.parametrize(("kind", "most"), [(EVENTS, 512 * 1024), (ACCOUNTS, 1_000_000), (USERS, 1_000_000)])
def test_a_full_body_is_no_larger_than_it_may_be(kind: str, most: int) -> None:
    """The router counts the items alone; a body has ends of lines, or commas and the list around them."""
    limits = Freshsuccess.kinds[kind]
    size = limits.max_bytes // limits.max_items
    items = [Item({"a": "x" * (size - len('{"a":""}'))}, kind)] * limits.max_items
    assert len(plugin().request(items).body) <= most


# ---------------------------------------------------------------- the Account API


def test_a_listed_record_is_refused_and_its_neighbours_are_written() -> None:
    given = answer({"status_is_ok": True, "failed_results": failed(1, message=JOIN_DATE)})
    assert plugin().verdict(records(3), given) == [Delivered(), Reject("rejected", JOIN_DATE), Delivered()]


def test_a_user_whose_account_may_still_come_waits_an_hour() -> None:
    given = answer({"status_is_ok": True, "failed_results": failed(0, message="Account not found")})
    later = RetryLater("account_not_found", "Account not found", for_s=3600.0)
    assert plugin().verdict(records(2, USERS), given) == [later, Delivered()]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"status_is_ok": "yes"}'])
def test_an_answer_that_says_nothing_readable_is_tried_again(body: bytes) -> None:
    assert plugin().verdict(records(2), Answer(200, body=body)) == RetryLater("unreadable_answer")


def test_a_refusal_without_a_list_refuses_all() -> None:
    given = answer({"status_is_ok": False, "message": "no"})
    assert plugin().verdict(records(2), given) == [Reject("rejected", "no")] * 2


def test_a_failure_without_a_usable_index_splits_the_batch_to_find_it() -> None:
    for index in ("0", 7, -1, True, None):
        given = answer({"status_is_ok": True, "failed_results": [{"message": "bad", "record": index}]})
        assert plugin().verdict(records(2), given) == Split("rejected", "bad")
        assert plugin().verdict(records(1), given) == Reject("rejected", "bad")


async def test_a_batch_refused_for_two_records_goes_out_again_without_them() -> None:
    async with (
        FakeVendor(Reply(json={"status_is_ok": True})) as vendor,
        open_sender(Freshsuccess, KEYS, vendor) as sender,
    ):
        vendor.script(Reply(json={"status_is_ok": False, "failed_results": failed(1, 3)}))
        found = await sender.deliver(records(5))
    bad = Reject("rejected", "Invalid type for property: tier")
    assert found == [Delivered(), bad, Delivered(), bad, Delivered()]
    sent = [[record["account_id"] for record in seen.json()["records"]] for seen in vendor.requests]
    assert sent == [["g0", "g1", "g2", "g3", "g4"], ["g0", "g2", "g4"]]


async def test_a_batch_refused_until_nothing_is_left_ends() -> None:
    refusal = Reply(json={"status_is_ok": False, "failed_results": failed(0)})
    async with FakeVendor(refusal) as vendor, open_sender(Freshsuccess, KEYS, vendor) as sender:
        found = await sender.deliver(records(3))
    assert found == [Reject("rejected", "Invalid type for property: tier")] * 3
    assert [len(seen.json()["records"]) for seen in vendor.requests] == [3, 2, 1]


async def test_trouble_after_a_refusal_concerns_only_the_records_that_were_left() -> None:
    async with FakeVendor(Reply(503)) as vendor, open_sender(Freshsuccess, KEYS, vendor) as sender:
        vendor.script(Reply(json={"status_is_ok": False, "failed_results": failed(0)}))
        found = await sender.deliver(records(3))
    assert [type(outcome) for outcome in found] == [Reject, RetryLater, RetryLater]


async def test_a_connection_lost_after_a_refusal_concerns_only_the_records_that_were_left() -> None:
    """What the router's sender raises of the second request says nothing of the record refused in the first answer."""
    async with FakeVendor(Reset()) as vendor, open_sender(Freshsuccess, KEYS, vendor) as sender:
        vendor.script(Reply(json={"status_is_ok": False, "failed_results": failed(0)}))
        found = await sender.deliver(records(3))
    assert [type(outcome) for outcome in found] == [Reject, RetryLater, RetryLater]


async def test_what_only_halving_can_find_is_left_to_the_router() -> None:
    async with FakeVendor(Reply(413)) as vendor, open_sender(Freshsuccess, KEYS, vendor) as sender:
        found = await sender.deliver(records(3))
    assert [type(outcome) for outcome in found] == [Split] * 3
    assert len(vendor.requests) == 1


# ---------------------------------------------------------------- the table of faults, over real HTTP

HTML = Reply(200, body=b"<html>Welcome</html>", headers={"Content-Type": "text/html"})


async def tried(reply: Reply, kind: str, n: int) -> list[Outcome]:
    """What comes of `n` items when the vendor answers so."""
    async with FakeVendor(reply) as vendor, open_sender(Freshsuccess, KEYS, vendor) as sender:
        return await sender.deliver(records(n, kind))


@pytest.mark.parametrize("kind", [EVENTS, ACCOUNTS, USERS])
@pytest.mark.parametrize(
    ("reply", "reason", "after_s"),
    [
        (Reply(408), "status_408", None),
        (Reply(425), "status_425", None),
        (Reply(429), "status_429", None),
        (Reply(429, headers={"Retry-After": "7"}), "status_429", 7.0),
        (Reply(500), "status_500", None),
        (Reply(503, headers={"Retry-After": "120"}), "status_503", 120.0),
        (Reset(), "connection", None),
    ],
    ids=str,
)
async def test_trouble_that_passes_is_tried_again(reply: Reply, reason: str, after_s: float | None, kind: str) -> None:
    for outcome in await tried(reply, kind, 2):
        assert isinstance(outcome, RetryLater)
        assert (outcome.reason, outcome.after_s, outcome.for_s) == (reason, after_s, None)


@pytest.mark.parametrize("kind", [EVENTS, ACCOUNTS, USERS])
@pytest.mark.parametrize(
    ("status", "reason", "sure"),
    [(401, "credentials", True), (403, "credentials", False), (404, "set_up", False), (302, "set_up", True)],
)
async def test_a_wrong_key_or_address_pauses_and_burns_nothing(status: int, reason: str, sure: bool, kind: str) -> None:
    for outcome in await tried(Reply(status), kind, 2):
        assert isinstance(outcome, Pause)
        assert (outcome.reason, outcome.sure) == (reason, sure)


@pytest.mark.parametrize("kind", [EVENTS, ACCOUNTS, USERS])
@pytest.mark.parametrize(("status", "reason"), [(400, "rejected"), (413, "too_large"), (422, "rejected")])
async def test_a_refused_batch_is_halved_and_a_refused_single_item_is_dead(status: int, reason: str, kind: str) -> None:
    assert [(type(found), getattr(found, "reason", None)) for found in await tried(Reply(status), kind, 2)] == [
        (Split, reason)
    ] * 2
    assert [(type(found), getattr(found, "reason", None)) for found in await tried(Reply(status), kind, 1)] == [
        (Reject, reason)
    ]


@pytest.mark.parametrize("reply", [HTML, Garbage(), ShortBody()], ids=str)
async def test_a_200_that_is_not_json_is_no_success_at_the_account_api_only(reply: Reply) -> None:
    for kind in (ACCOUNTS, USERS):
        assert await tried(reply, kind, 2) == [RetryLater("unreadable_answer")] * 2
    assert await tried(reply, EVENTS, 2) == [Delivered()] * 2


async def test_a_user_whose_account_is_missing_is_tried_again_for_an_hour_and_the_others_are_written() -> None:
    reply = Reply(json={"status_is_ok": True, "failed_results": failed(1, message="Account not found")})
    later = RetryLater("account_not_found", "Account not found", for_s=3600.0)
    assert await tried(reply, USERS, 3) == [Delivered(), later, Delivered()]


# ---------------------------------------------------------------- the wire, and any JSON


async def test_the_wire_carries_lines_and_records_with_their_keys_in_place() -> None:
    urls = {"events_base_url": "https://events.test", "api_base_url": "https://api.test/"}
    settings = {**KEYS, **urls, "event_auth_key": "A/B"}
    async with (
        FakeVendor(Reply(json={"status_is_ok": True})) as vendor,
        open_sender(Freshsuccess, settings, vendor) as sender,
    ):
        call = {"type": "track", "userId": "u1", "groupId": "acme", "event": "Zažít"}
        for items in (mapped(sender.plugin, event_of(call), Context()), records(2)):
            assert await sender.deliver(items) == [Delivered()] * len(items)
    line, posted = vendor.requests
    assert (line.url, line.headers["content-length"]) == ("https://events.test/v1/A%2FB/KEY", str(len(line.body)))
    assert "Zažít".encode() in line.body
    assert "transfer-encoding" not in line.headers
    assert (posted.url, posted.headers["authorization"]) == ("https://api.test/api/v2/accounts", "Basic YXBpOkFLRVk=")
    assert posted.json() == {"records": [{"account_id": "g0"}, {"account_id": "g1"}]}


READ = st.sampled_from(["first_name", "firstName", "name", "address", "createdAt", "employees", "is_churned", "module"])
OBJECT = st.dictionaries(READ | st.text(), ANY_JSON, max_size=6)


@given(
    kind=st.sampled_from(["identify", "group", "track", "page", "screen"]),
    name=st.none() | st.text(),
    known=st.booleans(),
    account_key=st.sampled_from(["", "AKEY"]),
    traits=OBJECT,
    dimensions=st.sampled_from(["auto", "off"]) | st.lists(st.text()),
)
@pytest.mark.long
def test_any_json_is_sent_as_valid_json_or_refused(
    kind: str, name: str | None, known: bool, account_key: str, traits: dict[str, Any], dimensions: Any
) -> None:
    settings = {"account_api_key": account_key, "send_pages": True, "group_dimensions": dimensions}
    sending = plugin(**settings)
    call = {"type": kind, "userId": "u1", "event": name, "name": name, "traits": traits, "properties": traits}
    context = Context(Profile("u1", traits), Profile("acme", traits) if known else None, previous_group_id="old")
    try:
        items = mapped(sending, event_of({**call, "groupId": "acme"} if kind == "group" else call), context)
    except (Skip, Reject):
        return
    for request in Rehearsal(Freshsuccess, {**KEYS, **settings}).requests(items):
        is_lines = "//events-" in request.url
        found = [json.loads(line) for line in request.body.splitlines()] if is_lines else json.loads(request.body)
        assert found


@pytest.mark.parametrize(
    ("given", "ms"),
    [
        ("2020-01-02", 1577923200000),
        ("2020-01-02T00:00:00Z", 1577923200000),
        ("2020-01-02t01:00:00.000+01:00", 1577923200000),
        (" 2020-01-02 00:00 ", 1577923200000),
        ("1969-12-31T23:59:59.999Z", -1),
        (1577923200, 1577923200000),
        (1577923200123, 1577923200123),
        ("1577923200", 1577923200000),
        ("1577923200123", 1577923200123),
        ("Thu Jan 02 2020 01:00:00 GMT+0100 (Central European Standard Time)", 1577923200000),
        ("Thu, 02 Jan 2020 00:00:00 GMT", 1577923200000),
        ("2020-01", None),
        ("2020-13-01", None),
        ("2020-01-02 and later", None),
        (2020, None),
        (True, None),
    ],
)
def test_what_is_wholly_an_instant_becomes_the_join_date_and_anything_else_is_warned_of(
    given: Any, ms: int | None
) -> None:
    body, warnings = account({"createdAt": given})
    assert body.get("join_date") == ms
    assert warnings == ([] if ms else ["created_at_unreadable"])


def account(traits: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The account that a group call becomes, and what was warned of."""
    warnings: list[str] = []
    context = Context(warn=lambda reason, **numbers: warnings.append(reason))
    [item] = mapped(plugin(), event_of({"type": "group", "groupId": "acme", "traits": traits}), context)
    return item.body, warnings


@pytest.mark.parametrize(
    ("given", "employees"),
    [
        ("1,200", 1200),
        ("1 200", 1200),
        ("12,345,678.5", 12345678.5),
        ("-1,200", -1200),
        (" 7 ", 7),
        (7, 7),
        ("1,2", None),
        ("1,20,000", None),
        ("many", None),
        ("1200 people", None),
        ([], None),
        (True, None),
    ],
)
def test_employees_may_have_marks_between_thousands(given: Any, employees: float | None) -> None:
    body, warnings = account({"employees": given})
    assert body.get("employees") == employees
    assert warnings == ([] if employees else ["employees_unreadable"])


@pytest.mark.parametrize(
    ("given", "churned"),
    [
        ("yes", True),
        ("No", False),
        ("Y", True),
        ("n", False),
        (" TRUE ", True),
        ("1", True),
        (0, False),
        (1.0, True),
        ("maybe", None),
        (2, None),
        ([], None),
        ({}, None),
        ("on hold", None),
    ],
)
def test_churned_is_read_from_words_and_from_one_and_zero(given: Any, churned: bool | None) -> None:
    body, warnings = account({"isChurned": given})
    assert body.get("is_churned") is churned
    assert warnings == ([] if churned is not None else ["is_churned_unreadable"])


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_a_field_that_says_nothing_is_not_warned_of(nothing: Any) -> None:
    assert account({"createdAt": nothing, "employees": nothing, "isChurned": nothing})[1] == []


def test_of_two_spellings_the_one_that_can_be_read_counts() -> None:
    body, warnings = account({"created_at": "soon", "createdAt": "2020-01-02"})
    assert (body["join_date"], warnings) == (1577923200000, [])


def test_traits_nested_very_deep_become_one_dimension() -> None:
    deep: Any = 1
    for _ in range(3000):
        deep = {"a": deep}
    [item] = mapped(plugin(), event_of({"type": "group", "groupId": "acme", "traits": deep}), Context())
    [dimension] = item.body["custom_value_dimensions"]
    assert (len(dimension["key"]), dimension["value"]) == (5999, 1)
