"""The http plugin: settings that are refused, requests, verdicts, a token over real HTTP, and that no event breaks it."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plugins.http import Http, HttpSettings
from router.errors import ConfigError
from router.plugin import (
    Answer,
    Context,
    Delivered,
    Group,
    Item,
    Pause,
    Profile,
    Reject,
    Request,
    RetryLater,
    Skip,
    Split,
    UserId,
)
from router.plugin_host import read
from router.testing.sender import open_sender
from router.testing.vendor import FakeVendor, Received, Reply
from tests.contract.plugin_case import ANY_JSON, event_of, mapped

TRACK = {"body": {"name": "${event}"}}
ARRAYS = {
    "format": "object",
    "max_items": 10,
    "track": {**TRACK, "array": "events"},
    "page": {"body": {"p": 1}, "array": "pages"},
}


def plugin(**settings: Any) -> Http:
    return Http(HttpSettings.model_validate({"url": "https://api.test/v1", "track": TRACK, **settings}))


def call(event: str = "Run", **fields: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "u1", "event": event, **fields}


def items(sending: Http, *events: str) -> list[Item]:
    """One item for each of these track calls."""
    return [item for event in events for item in mapped(sending, event_of(call(event)), Context())]


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": "api.test"}, "url: write an address"),
        ({"url": "https://api.test:0"}, "url: write an address"),
        ({"url": "https://api.test/a b"}, "percent-encoded"),
        ({"url": "https://api.test/?a=1"}, "url: leave out the query; write it in `query`"),
        ({"url": "https://api.test/#a"}, "url: leave out #"),
        ({"url": "https://me:pass@api.test"}, "url: leave out user and password"),
        ({"headers": {"X Y": "1"}}, "headers.X Y: that is not the name of a header"),
        ({"headers": {"Host": "x"}}, "headers.Host: it is set by itself"),
        ({"headers": {"X": "a\r\nb"}}, "headers.X: its value may hold ASCII characters only"),
        ({"headers": {"Authorization": "x"}, "token": {"url": "https://t.test", "client_id": "a", "client_secret": "b"}},
         "headers.Authorization: the token is sent in this header"),
        ({"token": {"url": "t.test", "client_id": "a", "client_secret": "b"}}, "url: write an address"),
        ({"track": None}, "there is no table of a call type"),
        ({"track": {**TRACK, "path": "users"}}, 'track.path: begin it with "/" or "?"'),
        ({"track": {**TRACK, "path": "${properties.p}"}}, 'track.path: begin it with "/" or "?"; the event would choose the host'),
        ({"values": {"p": "/a"}, "track": {**TRACK, "path": "${values.p}/b"}}, 'track.path: begin it with "/" or "?"'),
        ({"track": {**TRACK, "path": "/a b/${userId}"}}, "track.path: write other characters, and blanks, percent-encoded"),
        ({"track": {**TRACK, "path": "/a#${userId}"}}, "track.path: leave out #"),
        ({"track": {**TRACK, "headers": {"Content-Length": "1"}}}, "track.headers.Content-Length: it is set by itself"),
        ({"track": {**TRACK, "headers": {"X": "${evnt}"}}}, "track.headers.X: unknown field"),
        ({"track": {**TRACK, "requires": ["email"]}}, 'track.requires[0]: not a requirement; write "user_id"'),
        ({"group": {**TRACK, "requires": ["user_id", "group.name"]}}, "group.requires[1]: a group call opens the gate"),
        ({"track": {**TRACK, "array": "events"}}, 'track.array: only with format = "object"'),
        ({"track": {}, "format": "form"}, 'track.body: missing; format = "form" is made of it'),
        ({"format": "object"}, "track.array: missing"),
        ({"format": "object", "track": {**TRACK, "array": "k"}, "fields": {"k": "1"}}, "track.array: a key of `fields` has the same name"),
        ({"fields": {"name": "1"}}, "track.body.name: `fields` has a key of the same name; leave one of them out"),
        ({"format": "form", "fields": {"name": "1"}}, "track.body.name: `fields` has a key of the same name"),
        ({"format": "lines", "fields": {"k": "1"}}, 'fields: format = "lines" has no place for them'),
        ({"max_items": 2}, 'max_items: format = "json" has one event in a request'),
        ({"format": "array", "max_items": 2, "track": {**TRACK, "path": "/${userId}"}}, "track.path: it depends on the event"),
        ({"format": "array", "max_items": 2, "track": {**TRACK, "headers": {"X": "${event}"}}}, "track.headers.X: it depends on the event"),
        *(({"answers": {key: [404, status]}}, f"{key}: leave {status} out; it says nothing about the event")
          for key in ("delivered", "rejected") for status in (302, 401, 408, 425, 429, 500, 503)),
        *(({"answers": {key: [200]}}, f"{key}: leave 200 out; the event has arrived") for key in ("retry", "pause")),
        *(({"answers": {"items": {key: path}}}, f'{key}: "{path}" is no path; write keys with dots between')
          for key in ("list", "index") for path in ("$.errors", "errors[*]", "a..b", "a.", " a", "${errors}")),
        ({"answers": {"rejected_if": {"a..b": True}}}, 'rejected_if: "a..b" is no path'),
        ({"answers": {"retry": [409], "delivered": [409]}}, "409 is listed twice"),
        ({"answers": {"retry": [99]}}, "greater than or equal to 200"),
    ],
)  # fmt: skip
def test_settings_that_could_never_work_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        plugin(**wrong)
    assert words in str(refused.value)


CONFIG = """
[[source]]
name = "website"
write_key = "k"
[[destination]]
name = "crm"
plugin = "http"
[destination.settings]
url = "https://api.test"
[destination.settings.track]
%s
"""


def test_the_operator_reads_key_path_cause_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG % 'methods = "PUT"\nbody = { at = 2026-01-02, who = "${userid}" }')
    with pytest.raises(ConfigError) as refused:
        read(path, {})
    assert refused.value.problems == [
        'destination[0] (crm).settings.track.methods: unknown key "methods"; did you mean "method"?'
    ]
    path.write_text(CONFIG % 'body = { at = 2026-01-02, who = "${userid}" }')
    with pytest.raises(ConfigError) as refused:
        read(path, {})
    assert refused.value.problems == [
        "destination[0] (crm).settings: track.body.at: JSON has no dates and times; write text between quotes,"
        ' e.g. "2026-01-31"',
        'destination[0] (crm).settings: track.body.who: unknown field "userid"; did you mean "userId"?',
    ]


def test_what_has_to_be_known_is_what_the_gate_asks_for() -> None:
    gated = plugin(
        track={**TRACK, "requires": ["group.plan", "user_id", "group.name"]}, page={**TRACK, "requires": ["group.id"]}
    )
    assert gated.requires == {"track": (UserId(), Group("id", "plan", "name")), "page": (Group("id"),)}


# ---------------------------------------------------------------- requests


def test_a_value_in_a_path_is_one_step_of_it_whatever_it_holds() -> None:
    sending = plugin(track={"path": "/u/${userId}?n=${event}", "method": "PUT"}, query={"k ey": "a&b"})
    [item] = mapped(sending, event_of(call("50% ä/?#&", userId="a/b")), Context())
    request = sending.request([item])
    assert request.url == "https://api.test/v1/u/a%2Fb?n=50%25%20%C3%A4%2F%3F%23%26&k%20ey=a%26b"


@pytest.mark.parametrize(
    ("url", "path", "sent"),
    [
        ("https://api.test", "/x", "https://api.test/x"),
        ("https://api.test/v1/", "/x", "https://api.test/v1/x"),
        ("https://api.test/v1/", "", "https://api.test/v1/"),
        ("https://api.test/v1/", "?n=${event}", "https://api.test/v1/?n=Run"),
        ("https://api.test", "/x?next=/../${event}", "https://api.test/x?next=/../Run"),
    ],
)
def test_a_path_is_added_to_the_address(url: str, path: str, sent: str) -> None:
    sending = plugin(url=url, track={**TRACK, "path": path})
    assert sending.request(items(sending, "Run")).url == sent


@pytest.mark.parametrize("path", [".evil.com", "-x.evil.com", "@evil.com", ":8080"])
def test_a_stored_path_never_becomes_a_part_of_the_host(path: str) -> None:
    sending = plugin(url="https://api.test")
    stored = Item({"method": "POST", "path": path, "body": {}}, "POST")
    assert sending.request([stored]).url == f"https://api.test/{path}"


@pytest.mark.parametrize("word", [".", ".."])
def test_a_value_that_would_be_a_step_up_is_refused(word: str) -> None:
    with pytest.raises(Reject, match="invalid_path"):
        mapped(plugin(track={"path": "/u/${event}/x"}), event_of(call(word)), Context())


@pytest.mark.parametrize("word", ["a\nb: c", "ž", "a\x00b"])
def test_a_value_that_no_header_can_have_is_refused(word: str) -> None:
    with pytest.raises(Reject, match="invalid_header"):
        mapped(plugin(track={**TRACK, "headers": {"X": "n ${event}"}}), event_of(call(word)), Context())


def test_a_header_with_a_missing_value_is_left_out() -> None:
    sending = plugin(headers={"X-Key": "K"}, track={**TRACK, "headers": {"X": "${event}", "Y": "${properties.y}"}})
    request = sending.request(items(sending, "Run"))
    assert request.headers == {"Content-Type": "application/json", "X-Key": "K", "X": "Run"}


def test_a_header_of_a_call_type_counts_before_that_of_all_however_they_are_spelled() -> None:
    sending = plugin(headers={"x-key": "K"}, track={**TRACK, "headers": {"X-Key": "${properties.key}"}})
    one, other = (mapped(sending, event_of(call(properties=given)), Context()) for given in ({"key": "own"}, {}))
    assert sending.request(one).headers == {"Content-Type": "application/json", "X-Key": "own"}
    assert sending.request(other).headers == {"Content-Type": "application/json", "x-key": "K"}


def test_the_operator_s_content_type_counts() -> None:
    sending = plugin(headers={"content-type": "application/vnd.api+json"})
    assert sending.request(items(sending, "Run")).headers == {"content-type": "application/vnd.api+json"}


def test_a_form_has_text_and_json_in_it_and_no_null() -> None:
    body = {"name": "${event}", "n": 1.0, "on": True, "list": "${properties.list}", "at": "${properties.at}"}
    sending = plugin(format="form", fields={"key": "K&1"}, track={"body": {"@merge": ["${properties}", body]}})
    given = {"list": [1, "ä"], "null": None}
    request = sending.request(mapped(sending, event_of(call("A b", properties=given)), Context()))
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode(), strict_parsing=True) == {
        "key": ["K&1"], "list": ['[1,"ä"]'], "name": ["A b"], "n": ["1"], "on": ["true"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("format", "body"),
    [("json", b'{"project_key":"OURS","a":1}'), ("form", b"project_key=OURS&a=1")],
)
def test_no_event_changes_what_fields_adds(format: str, body: bytes) -> None:
    sending = plugin(format=format, fields={"project_key": "OURS"}, track={"body": "${properties}"})
    given = {"project_key": "attacker", "a": 1}
    assert sending.request(mapped(sending, event_of(call(properties=given)), Context())).body == body


@pytest.mark.parametrize(
    ("settings", "body"),
    [
        ({"format": "json", "fields": {"k": "K"}}, b'{"name":"a","k":"K"}'),
        ({"format": "array", "max_items": 2}, b'[{"name":"a"},{"name":"b"}]'),
        ({"format": "lines", "max_items": 2}, b'{"name":"a"}\n{"name":"b"}\n'),
        ({**ARRAYS, "fields": {"k": "K"}}, b'{"k":"K","events":[{"name":"a"},{"name":"b"}]}'),
    ],
)
def test_events_are_packed_as_the_format_says(settings: dict[str, Any], body: bytes) -> None:
    sending = plugin(**settings)
    assert sending.request(items(sending, *"ab")[: sending.settings.max_items]).body == body


def test_call_types_of_one_address_share_a_request_and_others_do_not() -> None:
    sending = plugin(**ARRAYS, screen={"body": {"s": 1}, "array": "pages", "path": "/other"})
    event = event_of({"type": "page", "userId": "u1"})
    page, screen = (mapped(sending, e, Context())[0] for e in (event, event_of({"type": "screen", "userId": "u1"})))
    [track] = items(sending, "a")
    assert track.kind == page.kind != screen.kind
    assert set(sending.kinds) == {track.kind, screen.kind}
    assert json.loads(sending.request([track, page]).body) == {"events": [{"name": "a"}], "pages": [{"p": 1}]}


def test_a_body_that_is_no_table_cannot_get_fields() -> None:
    sending = plugin(fields={"k": "K"}, track={"body": "${properties.list}"})
    with pytest.raises(Reject, match="invalid_body"):
        mapped(sending, event_of(call(properties={"list": [1]})), Context())


def test_limits_are_those_of_the_settings() -> None:
    sending = plugin(format="lines", max_items=7, max_bytes=5_000)
    assert [(batch.max_items, batch.max_bytes) for batch in sending.kinds.values()] == [(7, 5_000)]


# ---------------------------------------------------------------- verdicts


def answer(status: int, body: Any = None, retry_after_s: float | None = None) -> Answer:
    return Answer(status, body=b"" if body is None else json.dumps(body).encode(), retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Delivered()),
        (409, Delivered()),
        (404, Reject("rejected", "status 404: ")),
        (423, RetryLater("status_423", "status 423: ", after_s=3.0)),
        (402, Pause("set_up", "status 402: ", after_s=3.0)),
        (401, Pause("credentials", "status 401: ")),
        (429, RetryLater("status_429", after_s=3.0)),
        (400, Reject("rejected", "status_400: ")),
    ],
)
def test_a_status_means_what_the_settings_say(status: int, outcome: object) -> None:
    sending = plugin(answers={"delivered": [409], "rejected": [404], "retry": [423], "pause": [402]})
    assert sending.verdict(items(sending, "a"), answer(status, retry_after_s=3.0)) == outcome


@pytest.mark.parametrize(
    ("body", "is_refused"),
    [
        ({"result": {"ok": False}}, True),
        ({"result": {"ok": 0}}, False),
        ({"result": {"ok": True}}, False),
        ([], False),
        (None, False),
    ],
)
def test_a_success_whose_body_says_otherwise_is_a_refusal(body: Any, is_refused: bool) -> None:
    sending = plugin(answers={"rejected_if": {"result.ok": False}})
    found = sending.verdict(items(sending, "a"), answer(200, body))
    assert found == (
        Split("rejected", 'status 200: result.ok is false: {"result": {"ok": false}}') if is_refused else Delivered()
    )


def test_a_batch_that_is_refused_by_a_listed_status_is_halved() -> None:
    sending = plugin(format="array", max_items=10, answers={"rejected": [404]})
    assert sending.verdict(items(sending, *"ab"), answer(404)) == Split("rejected", "status 404: ")


BY_INDEX = {"list": "errors", "index": "at", "array": "in", "reason": "why"}


def test_items_that_an_answer_names_are_refused_and_the_others_are_not() -> None:
    sending = plugin(**ARRAYS, answers={"items": BY_INDEX})
    [page] = mapped(sending, event_of({"type": "page", "userId": "u1"}), Context())
    batch = [*items(sending, "a"), page, *items(sending, "b")]
    errors = [
        {"in": "events", "at": 1, "why": "no"},
        {"in": "pages", "at": 0},
    ]
    refused = [Delivered(), Reject("rejected", ""), Reject("rejected", "no")]
    assert sending.verdict(batch, answer(201, {"errors": errors})) == refused
    found = sending.verdict(batch, answer(400, {"errors": errors}))
    assert [type(outcome) for outcome in found] == [Split, Reject, Reject]  # type: ignore[union-attr]
    assert sending.verdict(batch, answer(201, {"errors": []})) == [Delivered()] * 3
    assert sending.verdict(batch, answer(503)) == RetryLater("status_503")


@pytest.mark.parametrize("at", ["0", 0.0, "0.0"])
def test_the_number_of_a_refused_item_is_read_however_it_is_written(at: object) -> None:
    sending = plugin(
        format="array", max_items=10, answers={"items": {"list": "errors", "index": "at", "reason": "why"}}
    )
    found = sending.verdict(items(sending, *"ab"), answer(200, {"errors": [{"at": at, "why": "no"}]}))
    assert found == [Reject("rejected", "no"), Delivered()]


@pytest.mark.parametrize(
    "entry",
    [{"in": "zz", "at": 0}, {"in": "events", "at": 9}, {"in": "events", "at": -1}, {"in": "events", "at": 0.5},
     {"in": "events", "at": False}, {"in": "events"}, 7],
)  # fmt: skip
def test_a_refusal_that_names_no_item_leaves_none_delivered(entry: object) -> None:
    sending = plugin(**ARRAYS, answers={"items": BY_INDEX})
    errors = [entry, {"in": "events", "at": 1, "why": "no"}]
    first, second = sending.verdict(items(sending, *"ab"), answer(200, {"errors": errors}))  # type: ignore[misc]
    assert isinstance(first, RetryLater)
    assert (first.reason, second) == ("unreadable_item_result", Reject("rejected", "no"))


@pytest.mark.parametrize(
    ("errors", "is_read"), [({"0": "no"}, False), ("no", False), ({}, True), (None, True), (False, True)]
)
def test_errors_that_are_no_list_leave_none_delivered(errors: object, is_read: bool) -> None:
    sending = plugin(**ARRAYS, answers={"items": BY_INDEX})
    [found] = sending.verdict(items(sending, "a"), answer(200, {"errors": errors}))  # type: ignore[misc]
    assert (found == Delivered()) == is_read


@pytest.mark.parametrize(("body", "is_read"), [(b'{"errors": [{"in": "eve', False), (b"OK", True), (b"", True)])
def test_an_answer_that_ends_within_its_list_leaves_none_delivered(body: bytes, is_read: bool) -> None:
    sending = plugin(**ARRAYS, answers={"items": BY_INDEX})
    [found] = sending.verdict(items(sending, "a"), Answer(200, body=body))  # type: ignore[misc]
    assert (found == Delivered()) == is_read


def test_items_with_a_status_each_are_read_like_answers() -> None:
    form = {"list": "results", "status": "s", "reason": "why"}
    sending = plugin(format="array", max_items=10, answers={"items": form, "delivered": [409]})
    results = [{"s": 200}, {"s": "409"}, {"s": 400, "why": "bad"}, {"s": 429}, {"why": "no status"}]
    found = sending.verdict(items(sending, *"abcdef"), answer(207, {"results": results}, retry_after_s=2.0))
    lost = RetryLater("no_item_result", "status 207: the answer does not say what became of it")
    assert found == [
        Delivered(), Delivered(), Reject("rejected", "status_400: bad"), RetryLater("status_429", after_s=2.0), lost, lost,
    ]  # fmt: skip


def test_of_a_refused_batch_what_the_answer_leaves_out_is_sent_again_in_halves() -> None:
    sending = plugin(format="array", max_items=10, answers={"items": {"status": "s"}})
    found = sending.verdict(items(sending, *"ab"), answer(400, [{"s": 422}]))
    assert isinstance(found, list)
    assert [type(outcome) for outcome in found] == [Reject, Split]


@given(status=st.sampled_from([200, 207, 400, 404, 500]), body=ANY_JSON, items_form=st.booleans())
def test_no_answer_breaks_the_verdict(status: int, body: Any, items_form: bool) -> None:
    form = {"status": "s"} if items_form else {"index": "at", "array": "in"}
    sending = plugin(**ARRAYS, answers={"rejected_if": {"a": 1}, "items": form})
    for shape in (body, [body], [{"s": body, "at": body, "in": body}]):
        told = json.dumps(shape).encode()
        found = sending.verdict(items(sending, "a", "b"), Answer(status, body=told))
        assert not isinstance(found, list) or len(found) == 2


# ---------------------------------------------------------------- a token


class Bank:
    """Gives tokens by number, and takes calls with the newest one only."""

    def __init__(self) -> None:
        self.given = 0
        self.forms: list[dict[str, list[str]]] = []
        self.basic: list[str] = []

    def answer(self, seen: Received) -> Reply:
        """To a request for a token, or with one."""
        if not seen.url.endswith("/token"):
            return Reply(202 if seen.headers.get("authorization") == f"Bearer tok-{self.given}" else 401)
        self.given += 1
        self.forms.append(parse_qs(seen.body.decode()))
        self.basic.append(seen.headers.get("authorization", ""))
        return Reply(200, json={"access_token": f"tok-{self.given}", "expires_in": 3600})


@pytest.mark.parametrize("basic", [False, True])
async def test_a_token_is_asked_for_once_and_again_after_a_401(basic: bool) -> None:
    bank = Bank()
    token = {
        "url": "https://t.test/token",
        "client_id": "me",
        "client_secret": "s/3",
        "scope": "w",
        "fields": {"audience": "x"},
        "basic": basic,
    }
    settings = {"url": "https://api.test/v1", "track": TRACK, "token": token}
    async with FakeVendor() as vendor, open_sender(Http, settings, vendor) as sender:
        vendor.answer = bank.answer
        sending = sender.plugin
        some = items(sending, "a")
        assert await asyncio.gather(*(sending.deliver(some, sender) for _ in range(5))) == [Delivered()] * 5
        assert bank.given == 1
        bank.given = 7  # the vendor has forgotten the token
        assert await sending.deliver(some, sender) == Delivered()
    whole = {"grant_type": ["client_credentials"], "scope": ["w"], "audience": ["x"]}
    whole |= {} if basic else {"client_id": ["me"], "client_secret": ["s/3"]}
    assert bank.forms == [whole] * 2
    assert bank.basic == [f"Basic {base64.b64encode(b'me:s%2F3').decode()}" if basic else ""] * 2


class Recorder:
    """A Sender that answers in memory."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.secrets: list[str] = []

    def secret(self, value: str) -> None:
        """Keep it."""
        self.secrets.append(value)

    async def send(self, request: Request) -> Answer:
        """A token for everything."""
        self.requests.append(request)
        return answer(200, {"access_token": "tok-1"})


async def test_the_request_for_a_token_is_private_and_what_is_made_of_the_secret_is_masked() -> None:
    recorder = Recorder()
    sending = plugin(token={"url": "https://t.test", "client_id": "me", "client_secret": "s/3", "basic": True})
    await sending.deliver(items(sending, "a"), recorder)
    assert [request.private for request in recorder.requests] == [True, False]
    assert {base64.b64encode(b"me:s%2F3").decode(), "tok-1"} <= set(recorder.secrets)


def test_no_value_of_the_request_for_a_token_is_in_the_words_of_the_settings() -> None:
    token = {"url": "https://t.test", "client_id": "me-1", "client_secret": "s-2", "fields": {"password": "pass-3"}}
    shown = repr(plugin(token=token).settings)
    assert [value for value in ("me-1", "s-2", "pass-3") if value in shown] == []


def test_a_dry_run_shows_where_the_token_will_be() -> None:
    sending = plugin(token={"url": "https://t.test", "client_id": "me", "client_secret": "s"})
    assert sending.request(items(sending, "a")).headers["Authorization"] == "Bearer ***"


# ---------------------------------------------------------------- any event whatsoever

LEAVES = st.sampled_from(
    ["${call}", "${properties}", "${user.a}", "${event | text | max_length(3)}", "x ${properties.a | number} ${userId}", "${traits.a.0.b}",
     "${properties.a | date}", "${properties.a | seconds}", "${properties.a | only('a')}", "${context.a | bool}", "${group.a | lower}", 1,
     "${properties.a | sha256}", {"@each": "${properties.a}", "@make": ["${item}", {"x": "${item.a | text | hash}"}]}]
)  # fmt: skip
BODIES = st.dictionaries(
    st.sampled_from("abc"), st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2)), max_size=3
)
TABLES = st.dictionaries(
    st.sampled_from(["a", "b", ""]), ANY_JSON | st.sampled_from([".", "..", "1e400", "9" * 400]), max_size=3
)
CALLS = st.fixed_dictionaries(
    {"type": st.sampled_from(["identify", "group", "track", "page", "screen", "alias"])},
    optional={
        **dict.fromkeys(("traits", "properties"), TABLES),
        **dict.fromkeys(("userId", "anonymousId", "groupId", "event", "name", "category"), st.text()),
        "context": TABLES,
    },
)


@given(body=BODIES, given_call=CALLS, format=st.sampled_from(["json", "form"]), traits=TABLES)
def test_whatever_the_event_is_it_is_sent_skipped_or_a_dead_letter(
    body: dict[str, Any], given_call: dict[str, Any], format: str, traits: dict[str, Any]
) -> None:
    table = {
        "path": "/x/${properties.a}/${event}?b=${properties.b | text}",
        "headers": {"X-A": "${properties.a}", "X-B": "b ${traits.b | text}"},
        "body": body,
    }
    plain = {"body": {"@merge": ["${properties}", "${user}", body]}}
    sending = plugin(
        hash_key="a key of 16 signs",
        format=format,
        fields={"k": "K"},
        track=table,
        page=plain,
        identify=plain,
        group=plain,
        screen=table,
    )
    context = Context(user=Profile("u", traits), group=Profile("g", traits))
    try:
        made = mapped(sending, event_of(given_call), context)
    except (Skip, Reject):
        return
    for item in made:
        sending.request([item])
