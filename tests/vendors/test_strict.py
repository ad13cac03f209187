"""The strict vendors take what their contracts allow, and have a word against everything else."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.vendors.braze import BrazeVendor
from tests.vendors.clientsuccess import ClientSuccessVendor
from tests.vendors.freshsuccess import FreshsuccessVendor
from tests.vendors.segment import SegmentVendor
from tests.vendors.strict import Seen, StrictVendor
from tests.vendors.webhook import WebhookReceiver, signature

JSON = {"content-type": "application/json"}
CS = {"project_id": "PID", "api_key": "K/Y"}
FS = {"event_auth_key": "AUTH", "event_api_key": "KEY", "account_api_key": "AKEY"}
TIME = "2024-03-01T10:00:00.000Z"


def judged(vendor: StrictVendor, settings: Mapping[str, Any], seen: Seen) -> tuple[int, str]:
    """Status of the answer, and all that was found wrong."""
    found = vendor.read(seen, settings)
    return found.reply.status, "; ".join(found.words)


# ---------------------------------------------------------------- ClientSuccess

USAGE: dict[str, Any] = {
    "identity": {"organization": {"id": "acme", "name": "Acme"}, "user": {"id": "u1"}},
    "value": 1,
    "timestamp": TIME,
}
EVENT = "/collector/1.0.0/projects/PID/events/Run%2FAll?api_key=K%2FY"


def usage(**changed: Any) -> dict[str, Any]:
    """A body that is right but for this."""
    return {**USAGE, **changed}


@pytest.mark.parametrize(
    ("url", "body", "status", "words"),
    [
        (EVENT, USAGE, 201, ""),
        (EVENT.replace("%2FAll", "/All"), USAGE, 404, "nothing at this path"),
        (EVENT.replace("%2FAll", " All"), USAGE, 404, "nothing at this path"),
        (EVENT.replace("Run%2FAll", "."), USAGE, 400, "no name"),
        (EVENT.replace("PID", "OTHER"), USAGE, 404, "unknown project"),
        (EVENT.replace("K%2FY", "other"), USAGE, 401, "api_key"),
        (EVENT.replace("K%2FY", "K/Y"), USAGE, 404, "nothing at this path"),
        (EVENT, [USAGE], 422, "not an object"),
        (EVENT, usage(value="1"), 422, "value"),
        (EVENT, usage(value=True), 422, "value"),
        (EVENT, usage(timestamp="2024-03-01T10:00:00"), 422, "timestamp"),
        (EVENT, {"value": 1}, 422, "identity"),
        (EVENT, usage(identity=[]), 422, "identity"),
        (EVENT, usage(identity={"organization": {"id": "acme"}}), 422, "organization.name"),
        (EVENT, usage(identity={"organization": {"id": "a" * 201, "name": "A"}}), 422, "organization.id"),
        (EVENT, usage(identity={"organization": {"id": "a", "name": "A"}, "user": {"name": None}}), 422, "user.name"),
    ],
)
def test_clientsuccess(url: str, body: Any, status: int, words: str) -> None:
    found = judged(ClientSuccessVendor(), CS, Seen("POST", "base_url", url, JSON, json.dumps(body).encode(), 0))
    assert found[0] == status
    assert (words in found[1]) if words else found[1] == ""


# ---------------------------------------------------------------- Freshsuccess

LINE: dict[str, Any] = {
    "user_id": "u1",
    "created_at": 1709287200000,
    "session_id": "s",
    "action": "feature",
    "feature": "F",
    "total": 1,
}


def text(*lines: Any) -> bytes:
    """Lines as they should be."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def known(**details: Any) -> dict[str, Any]:
    """A line that tells of a user."""
    return {
        **{name: LINE[name] for name in ("user_id", "created_at", "session_id")},
        "action": "identifyUser",
        "details": details,
    }


def without(key: str) -> dict[str, Any]:
    """A line that lacks this."""
    return {name: value for name, value in LINE.items() if name != key}


@pytest.mark.parametrize(
    ("url", "body", "status", "words"),
    [
        ("/v1/AUTH/KEY", text(LINE, LINE), 200, ""),
        ("/v1/AUTH/KEY", text(LINE).replace(b"\n", b"\r\n"), 200, ""),
        ("/v1/KEY/AUTH", text(LINE), 401, "keys"),
        ("/v1/AUTH", text(LINE), 404, "nothing at this path"),
        ("/v1/AUTH/KEY", text([LINE]), 400, "not an object"),
        ("/v1/AUTH/KEY", text(LINE)[:-1], 400, "has no end"),
        ("/v1/AUTH/KEY", text(LINE) + b"\n", 400, "not JSON"),
        ("/v1/AUTH/KEY", json.dumps(LINE, indent=1).encode() + b"\n", 400, "not JSON"),
        ("/v1/AUTH/KEY", text(*[LINE] * 501), 413, "too many"),
        *[
            ("/v1/AUTH/KEY", text(LINE, without(key)), 400, f"line 1: {key} is missing")
            for key in LINE
            if key != "action"
        ],
        ("/v1/AUTH/KEY", text(without("action")), 400, "no action None"),
        ("/v1/AUTH/KEY", text({**LINE, "action": "featureUse"}), 400, "no action 'featureUse'"),
        ("/v1/AUTH/KEY", text({**LINE, "created_at": 1709287200}), 400, "created_at is wrong"),
        ("/v1/AUTH/KEY", text({**LINE, "accountId": "a"}), 400, "other style"),
        ("/v1/AUTH/KEY", text({**LINE, "colour": "red"}), 400, "colour is not known"),
        ("/v1/AUTH/KEY", text(known(first_name="Ada")), 200, ""),
        ("/v1/AUTH/KEY", text(known(first_name=7)), 400, "details is wrong"),
        ("/v1/AUTH/KEY", text(known(shoe_size=38)), 400, "details is wrong"),
    ],
)
def test_freshsuccess_events(url: str, body: bytes, status: int, words: str) -> None:
    headers = {**JSON, "content-length": str(len(body))}
    found = judged(FreshsuccessVendor(), FS, Seen("POST", "events_base_url", url, headers, body, 0))
    assert found[0] == status
    assert (words in found[1]) if words else found[1] == ""


ACCOUNTS, USERS = "/api/v2/accounts", "/api/v2/account_users"
ACCOUNT = {"account_id": "acme", "name": "Acme", "join_date": 1577923200000}


def dimension(key: str, value: Any) -> dict[str, Any]:
    """A custom dimension."""
    return {"key": key, "value": value}


@pytest.mark.parametrize(
    ("url", "body", "status", "words"),
    [
        (ACCOUNTS, {"records": [ACCOUNT]}, 200, ""),
        (USERS, {"records": [{"account_id": "acme", "user_id": "u1", "first_name": "Ada"}]}, 200, ""),
        ("/api/v2/account_contacts", {"records": [ACCOUNT]}, 404, "nothing at this path"),
        (ACCOUNTS, [ACCOUNT], 200, "not a list of records"),
        (ACCOUNTS, {"records": []}, 200, "not a list of records"),
        (ACCOUNTS, {"records": [ACCOUNT] * 501}, 413, "too many"),
        (ACCOUNTS, {"records": [ACCOUNT, {"name": "x"}]}, 200, "'record': 1"),
        (USERS, {"records": [{"user_id": "u1"}]}, 200, "'account_id'"),
        (USERS, {"records": [{"user_id": "u1", "account_id": "stranger"}]}, 200, "Account not found"),
        (ACCOUNTS, {"records": [{"account_id": "stranger", "name": "S"}]}, 200, "'join_date'"),
        (ACCOUNTS, {"records": [{**ACCOUNT, "join_date": "2020-01-02"}]}, 200, "Invalid type for property: join_date"),
        (ACCOUNTS, {"records": [{**ACCOUNT, "is_churned": "false"}]}, 200, "Invalid type for property: is_churned"),
        (ACCOUNTS, {"records": [{**ACCOUNT, "shoe_size": 38}]}, 200, "Invalid type for property: shoe_size"),
        (ACCOUNTS, {"records": [{**ACCOUNT, "custom_label_dimensions": {"a": "b"}}]}, 200, "custom_label_dimensions"),
        (ACCOUNTS, {"records": [{**ACCOUNT, "custom_label_dimensions": [dimension("", "b")]}]}, 200, "custom_label"),
        (ACCOUNTS, {"records": [{**ACCOUNT, "custom_value_dimensions": [dimension("a", "b")]}]}, 200, "custom_value"),
        (
            ACCOUNTS,
            {"records": [{**ACCOUNT, "custom_event_dimensions": [dimension("a", "2020")]}]},
            200,
            "custom_event",
        ),
        (ACCOUNTS, {"records": [{**ACCOUNT, "custom_value_dimensions": [dimension("a", 1)]}]}, 200, ""),
    ],
)
def test_freshsuccess_records(url: str, body: Any, status: int, words: str) -> None:
    vendor = FreshsuccessVendor()
    vendor.strangers.add("stranger")
    login = {**JSON, "authorization": "Basic " + base64.b64encode(b"api:AKEY").decode()}
    found = judged(vendor, FS, Seen("POST", "api_base_url", url, login, json.dumps(body).encode(), 0))
    assert found[0] == status
    assert (words in found[1]) if words else found[1] == ""


def test_freshsuccess_wants_the_key_of_its_account_api() -> None:
    seen = Seen("POST", "api_base_url", ACCOUNTS, JSON, b"{}", 0)
    assert judged(FreshsuccessVendor(), FS, seen) == (401, "the key is wrong")


# ---------------------------------------------------------------- Braze

TRACK = {"external_id": "u1", "name": "Run", "time": TIME}
BOUGHT = {"external_id": "u1", "product_id": "k", "currency": "EUR", "price": 1.5, "time": TIME}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"events": [TRACK], "purchases": [BOUGHT], "attributes": [{"external_id": "u1", "vip": None}]}, 201, ""),
        ({"events": [TRACK] * 76}, 400, "Max Input Length Exceeded"),
        ({"events": [TRACK] * 40, "purchases": [BOUGHT] * 36}, 400, "Max Input Length Exceeded"),
        ({}, 400, "Valid data must be provided"),
        ([TRACK], 400, "not an object"),
        ({"api_key": "KEY", "events": [TRACK]}, 400, "api_key is not known"),
        ({"events": TRACK}, 400, "not an array"),
        ({"events": [{"name": "Run", "time": TIME}]}, 400, "is required"),
        ({"events": [TRACK, {"external_id": "u1", "time": TIME}]}, 201, "events[1]: 'name' is required"),
        ({"events": [TRACK, {"external_id": "u1", "name": "Run"}]}, 201, "events[1]: 'time' is required"),
        ({"events": [TRACK, {**TRACK, "external_id": 7}]}, 201, "events[1]: 'external_id', 'braze_id'"),
        ({"events": [TRACK, {**TRACK, "properties": {"time": 1}}]}, 201, "events[1]: 'time' is reserved"),
        ({"events": [TRACK], "purchases": [{**BOUGHT, "price": "1"}]}, 201, "purchases[0]: 'price'"),
        ({"events": [TRACK], "purchases": [{**BOUGHT, "quantity": 101}]}, 201, "purchases[0]: 'quantity'"),
        ({"events": [TRACK], "purchases": [{**BOUGHT, "currency": "euro"}]}, 201, "purchases[0]: 'currency'"),
        ({"events": [TRACK], "attributes": [{"external_id": "u1"}]}, 201, "attributes[0]: no attribute"),
        ({"events": [TRACK], "attributes": [{"external_id": "u1", "gender": "woman"}]}, 201, "'gender'"),
        ({"events": [TRACK], "attributes": [{"external_id": "u1", "dob": "1.1.2000"}]}, 201, "'dob'"),
        ({"events": [TRACK], "attributes": [{"external_id": "u1", "country": False}]}, 201, "'country'"),
        ({"events": [TRACK], "attributes": [{"external_id": "u1", "email_subscribe": True}]}, 201, "'email_subscribe'"),
        (
            {"events": [TRACK], "attributes": [{"external_id": "u1", "current_location": "Gent"}]},
            201,
            "'current_location'",
        ),
        (
            {"events": [TRACK], "attributes": [{"external_id": "u1", "push_tokens": [{"token": "t"}]}]},
            201,
            "'push_tokens'",
        ),
        ({"events": [TRACK], "attributes": [{"external_id": "u1", "n" * 256: 1}]}, 201, "is too long"),
        ({"events": [TRACK], "attributes": [{"external_id": "u1", "note": "n" * 256}]}, 201, "'note' is too long"),
        ({"events": [TRACK], "attributes": [{"external_id": "u1", "": 1}]}, 201, "has no name"),
        ({"events": [TRACK, {**TRACK, "name": "n" * 256}]}, 201, "events[1]: 'name'"),
        ({"events": [TRACK, {**TRACK, "properties": {"n" * 256: 1}}]}, 201, "events[1]: a property's name"),
        ({"events": [TRACK, {**TRACK, "properties": {"$set": 1}}]}, 201, "events[1]: a property's name"),
        ({"events": [TRACK, {**TRACK, "properties": {"": 1}}]}, 201, "events[1]: a property's name"),
        ({"events": [TRACK, {**TRACK, "properties": {"note": "n" * 256}}]}, 201, "'note' is too long"),
    ],
)
def test_braze(body: Any, status: int, words: str) -> None:
    headers = {**JSON, "authorization": "Bearer KEY"}
    seen = Seen("POST", "base_url", "/users/track", headers, json.dumps(body).encode(), 0)
    found = judged(BrazeVendor(), {"api_key": "KEY"}, seen)
    assert found[0] == status
    assert (words in found[1]) if words else found[1] == ""


@pytest.mark.parametrize("authorization", ["", "KEY", "Bearer OTHER", "Basic KEY"])
def test_braze_wants_its_key_in_the_header(authorization: str) -> None:
    seen = Seen("POST", "base_url", "/users/track", {**JSON, "authorization": authorization}, b"{}", 0)
    assert judged(BrazeVendor(), {"api_key": "KEY"}, seen) == (401, "Invalid API Key")


def test_braze_wants_json() -> None:
    headers = {**JSON, "authorization": "Bearer KEY"}
    assert judged(BrazeVendor(), {"api_key": "KEY"}, Seen("POST", "", "/users/track", headers, b"<x>", 0))[0] == 400


@pytest.mark.parametrize(
    ("url", "body", "status"),
    [
        (
            "/users/identify",
            {"aliases_to_identify": [{"external_id": "u", "user_alias": {"alias_name": "a", "alias_label": "l"}}]},
            201,
        ),
        ("/users/identify", {"aliases_to_identify": [{"external_id": "u"}]}, 400),
        ("/users/identify", {"aliases_to_identify": []}, 400),
        (
            "/users/merge",
            {
                "merge_updates": [
                    {"identifier_to_merge": {"external_id": "a"}, "identifier_to_keep": {"external_id": "b"}}
                ]
            },
            202,
        ),
        ("/users/merge", {"merge_updates": [{"identifier_to_keep": {"external_id": "b"}}]}, 400),
        ("/users/merge", {"merge_updates": [{}] * 51}, 400),
        ("/users/delete", {"external_ids": ["a"], "user_aliases": [{"alias_name": "b", "alias_label": "l"}]}, 200),
        ("/users/delete", {}, 400),
        ("/users/delete", {"external_ids": [7]}, 400),
        ("/users/delete", {"external_ids": ["a"] * 51}, 400),
        ("/users/remove", {}, 404),
    ],
)
def test_braze_makes_one_user_of_two_and_deletes_users(url: str, body: Any, status: int) -> None:
    headers = {**JSON, "authorization": "Bearer KEY"}
    seen = Seen("POST", "base_url", url, headers, json.dumps(body).encode(), 0)
    assert judged(BrazeVendor(), {"api_key": "KEY"}, seen)[0] == status


# ---------------------------------------------------------------- a receiver of webhooks

INSTANTS = dict.fromkeys(("timestamp", "originalTimestamp", "receivedAt"), TIME)
CALL = {"type": "track", "messageId": "m1", "userId": "u1", "event": "Žádost", **INSTANTS}
SIGNED = {**JSON, "x-api-key": "K", "x-signature": signature(CALL, "S") or ""}


@pytest.mark.parametrize(
    ("changed", "body", "batch", "status", "words"),
    [
        ({}, CALL, 1, 200, ""),
        ({}, [CALL, {**CALL, "type": "page"}], 2, 200, ""),
        ({}, [CALL], 1, 400, "the signature"),
        ({}, CALL, 2, 400, "1 to 2 calls"),
        ({}, [CALL] * 3, 2, 400, "1 to 2 calls"),
        ({}, [], 2, 400, "1 to 2 calls"),
        ({}, {**CALL, "event": "other"}, 1, 400, "the signature"),
        ({"x-signature": ""}, CALL, 1, 400, "the signature"),
        ({"x-api-key": "***"}, CALL, 1, 400, "the header X-Api-Key"),
        ({"content-type": "text/plain"}, CALL, 1, 400, "the header Content-Type"),
        ({}, [CALL, {**CALL, "type": "charge"}], 2, 400, "call 1: no call"),
        ({}, [CALL, {**CALL, "messageId": ""}], 2, 400, "call 1: no messageId"),
        ({}, [CALL, {**CALL, "userId": 7}], 2, 400, "call 1: of nobody"),
        ({}, [CALL, {**CALL, "receivedAt": "today"}], 2, 400, "call 1: no receivedAt"),
        ({}, [CALL, {**CALL, "writeKey": "wk"}], 2, 400, "call 1: a write key"),
        ({}, [CALL, {"type": "delete", "userId": "u1"}, {"type": "delete", "groupId": "g"}], 3, 200, ""),
        ({}, [CALL, {"type": "delete"}], 2, 400, "call 1: no deletion of one id"),
        ({}, [CALL, {"type": "delete", "userId": "u1", "anonymousId": "a"}], 2, 400, "call 1: no deletion of one id"),
        ({}, [CALL, {**CALL, "type": "delete"}], 2, 400, "call 1: no deletion of one id"),
    ],
)
def test_a_receiver_of_webhooks(changed: Mapping[str, str], body: Any, batch: int, status: int, words: str) -> None:
    settings = {"shared_secret": "S", "headers": {"X-Api-Key": "K"}, "batch": batch}
    written = json.dumps(body, ensure_ascii=False).encode()
    found = judged(WebhookReceiver(), settings, Seen("POST", "url", "", {**SIGNED, **changed}, written, 0))
    assert found[0] == status
    assert (words in found[1]) if words else found[1] == ""


# ---------------------------------------------------------------- an API that speaks Segment's

FORWARDED: dict[str, Any] = {
    "type": "track",
    "messageId": "m1",
    "userId": "u1",
    "event": "E",
    "timestamp": TIME,
    "originalTimestamp": TIME,
}
BASIC = {**JSON, "authorization": "Basic " + base64.b64encode(b"KEY:").decode()}


@pytest.mark.parametrize(
    ("url", "headers", "body", "status", "words"),
    [
        ("v1/batch", {}, {"batch": [FORWARDED, FORWARDED]}, 200, ""),
        ("v1/track", {}, {"batch": [FORWARDED]}, 404, "nothing at this path"),
        ("v1/batch", {"authorization": "Basic S0VZ"}, {"batch": [FORWARDED]}, 401, "invalid write key"),
        ("v1/batch", {"content-type": "text/plain"}, {"batch": [FORWARDED]}, 400, "not JSON"),
        ("v1/batch", {}, [FORWARDED], 400, "not an object"),
        ("v1/batch", {}, {"batch": []}, 400, "1 to 2,500"),
        ("v1/batch", {}, {"batch": [FORWARDED] * 2_501}, 400, "1 to 2,500"),
        ("v1/batch", {}, {"batch": [FORWARDED], "sentAt": TIME}, 400, "nothing beside it"),
        ("v1/batch", {}, {"batch": [{**FORWARDED, "x": "x" * 500_000}]}, 400, "the batch is too large"),
        ("v1/batch", {}, {"batch": [FORWARDED, {**FORWARDED, "x": "x" * 33_000}]}, 400, "event 1: too large"),
        ("v1/batch", {}, {"batch": [{**FORWARDED, "type": "delete"}]}, 400, "known type"),
        ("v1/batch", {}, {"batch": [{**FORWARDED, "messageId": "m" * 101}]}, 400, "no messageId"),
        ("v1/batch", {}, {"batch": [{**FORWARDED, "userId": ""}]}, 400, "of nobody"),
        ("v1/batch", {}, {"batch": [{**FORWARDED, "event": None}]}, 400, "no name"),
        ("v1/batch", {}, {"batch": [{**FORWARDED, "context": []}]}, 400, "context is not an object"),
        ("v1/batch", {}, {"batch": [{**FORWARDED, "timestamp": "today"}]}, 400, "not both instants"),
        ("v1/batch", {}, {"batch": [{**FORWARDED, "sentAt": TIME}]}, 400, "sentAt would move its time"),
    ],
)
def test_an_api_that_speaks_segments(url: str, headers: Mapping[str, str], body: Any, status: int, words: str) -> None:
    seen = Seen("POST", "base_url", url, {**BASIC, **headers}, json.dumps(body).encode(), 0)
    found = judged(SegmentVendor(), {"write_key": "KEY"}, seen)
    assert found[0] == status
    assert (words in found[1]) if words else found[1] == ""
