"""Webhook: fixtures, signatures that our own webhook source accepts, refused settings, faults over real HTTP, any JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plugins.webhook import Webhook, WebhookSettings
from router.errors import ConfigError
from router.ingest.webhook import check_signature, parse_webhook
from router.plugin import Answer, Context, Delivered, Item, Outcome, Pause, Reject, RetryLater, Split, by_status
from router.plugin_host import Destination, read
from router.testing import Bench, CheckFixture, FakeVendor, Hang, Reply, Reset, fixture_files, open_sender
from tests.contract.plugin_case import ANY_JSON, FIXTURES, event_of, mapped

URL = "https://example.com/hook"
TYPES = ["identify", "group", "track", "page", "screen", "alias"]


def plugin(**settings: Any) -> Webhook:
    return Webhook(WebhookSettings.model_validate({"url": URL, **settings}))


def calls(n: int) -> list[Item]:
    return [Item({"type": "track", "userId": f"u{at}", "event": "E", "messageId": f"m{at}"}) for at in range(n)]


@pytest.mark.parametrize("path", fixture_files(FIXTURES / "webhook"), ids=lambda path: path.stem)
def test_fixture_gives_its_requests(path: Path, check_fixture: CheckFixture) -> None:
    check_fixture(Webhook, path)


# ---------------------------------------------------------------- body and signature


@pytest.mark.parametrize(("batch", "n"), [(1, 1), (5, 1), (5, 3)], ids=["alone", "an array of one", "an array"])
def test_our_own_webhook_source_accepts_what_is_signed(batch: int, n: int) -> None:
    request = plugin(shared_secret="s3cret", batch=batch).request(calls(n))
    check_signature(request.body, request.headers["X-Signature"], ["s3cret"])
    taken, discards = parse_webhook(request.body).calls("segment", 0, None)
    assert ([call.message_id for call in taken], discards) == ([f"m{at}" for at in range(n)], [])


def test_without_a_secret_nothing_is_signed() -> None:
    assert plugin().request(calls(1)).headers == {"Content-Type": "application/json"}


def test_a_batch_is_always_an_array_and_a_single_event_never_one() -> None:
    assert json.loads(plugin(batch=2).request(calls(1)).body) == [calls(1)[0].body]
    assert json.loads(plugin(batch=1).request(calls(1)).body) == calls(1)[0].body


def test_the_setting_bounds_the_batch() -> None:
    assert plugin(batch=7).kinds[""].max_items == 7


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": "example.com/hook"}, "url: write an address"),
        ({"url": "ftp://example.com"}, "url: write an address"),
        ({"url": "https://"}, "url: write an address"),
        ({"url": "https://example.com:99999/"}, "url: write an address"),
        ({"url": "https://[::1/"}, "url: write an address"),
        ({"url": "https://example.com/a b"}, "percent-encoded"),
        ({"url": "https://example.com/é"}, "percent-encoded"),
        ({"url": "https://example.com/#a"}, "url: leave out # and what follows it"),
        ({"url": "https://me:pass@example.com/"}, "url: leave out user and password"),
        ({"headers": {"X Y": "1"}}, '"X Y" is not the name of a header'),
        ({"headers": {"x-signature": "1"}}, "x-signature is set by the plugin"),
        ({"headers": {"Content-Type": "text/plain"}}, "Content-Type is set by the plugin"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "no line break"),
        ({"headers": {"X-A": "\u017d"}}, "ASCII"),
        ({"batch": 0}, "greater than or equal to 1"),
        ({"batch": 1001}, "less than or equal to 1000"),
        ({"final_statuses": [200]}, "greater than or equal to 400"),
        ({"final_statuses": [404, 401]}, "leave 401 and 429 out"),
    ],
)
def test_settings_that_could_never_work_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        plugin(**wrong)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "https://[::1]:8443/x?a=b%20c", "HTTPS://Example.com/hook?t=1"]
)
def test_an_address_is_sent_as_it_was_given(url: str) -> None:
    assert plugin(url=url).request(calls(1)).url == url


SECRETS = {"HOOK_URL": "https://example.com/hook/path-s3cret?token=query-s3cret", "HOOK_AUTH": "Bearer header-s3cret"}
TABLES = """
[[source]]
name = "website"
write_key = "k"
[[destination]]
name = "hook"
plugin = "webhook"
mode = "dry-run"
[destination.settings]
url = { env = "HOOK_URL" }
headers = { Authorization = { env = "HOOK_AUTH" }, X-Plain = "plain-s3cret" }
shared_secret = "shared-s3cret"
"""


def configured(folder: Path, environ: dict[str, str], tables: str = TABLES) -> Destination:
    (folder / "config.toml").write_text(tables)
    _, (found,) = read(folder / "config.toml", environ)
    return found


def test_no_secret_is_shown_whatever_is_told_of_the_destination(tmp_path: Path) -> None:
    hook = configured(tmp_path, SECRETS)
    request = hook.hooks["request"](calls(1))
    assert request.url == SECRETS["HOOK_URL"]
    quoted = "Cannot POST /hook/path-s3cret?token=query-s3cret, nor /hook/path-s3cret; bad token query-s3cret"
    shown = [repr(hook), repr(hook.settings), quoted, request.url, *request.headers.values(), "shared-s3cret"]
    assert "s3cret" not in hook.redact("\n".join(shown))
    assert "s3cret" not in repr(hook.settings)


def test_in_a_dry_run_the_secrets_need_not_be_there_yet(tmp_path: Path) -> None:
    request = configured(tmp_path, {}).hooks["request"](calls(1))
    assert (request.url, request.headers["Authorization"]) == ("missing-url", "missing-Authorization")


def test_a_secret_url_that_is_none_is_refused_without_being_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        configured(tmp_path, {**SECRETS, "HOOK_URL": "s3cret"})
    assert "url: write an address" in str(refused.value)
    assert "s3cret" not in str(refused.value)


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 403, 404, 408, 409, 410, 413, 422, 425, 429, 500, 503])
def test_a_status_that_is_not_listed_means_what_it_means_everywhere(status: int, n: int) -> None:
    answer = Answer(status, body=b"words")
    assert plugin(final_statuses=[501]).verdict(calls(n), answer) == by_status(answer, n)


@pytest.mark.parametrize("status", [403, 404, 408, 410, 501])
def test_a_listed_status_halves_a_batch_and_buries_a_single_event_with_the_receivers_words(status: int) -> None:
    found = plugin(final_statuses=[status]).verdict(calls(1), Answer(status, body=b"no such\n user"))
    assert found == Split("rejected", f"status_{status}: no such user")  # which of a single item is a refusal


TOKEN = "s3cret-token"
WITH_TOKEN = {"url": f"{URL}?token={TOKEN}"}


async def outcome_of(vendor: FakeVendor, *, n: int = 1, **settings: Any) -> Outcome:
    """What the router makes of one attempt."""
    async with open_sender(Webhook, {**WITH_TOKEN, **settings}, vendor) as sender:
        outcomes = await sender.deliver(calls(n))
    assert len(set(map(repr, outcomes))) == 1
    return outcomes[0]


@pytest.mark.parametrize(
    ("reply", "outcome", "reason"),
    [
        (Reply(200), Delivered, ""),
        (Reply(500), RetryLater, "status_500"),
        (Reply(429, headers={"Retry-After": "30"}), RetryLater, "status_429"),
        (Reply(401), Pause, "credentials"),
        (Reply(403), Pause, "credentials"),
        (Reply(404), Pause, "set_up"),
        (Reply(302, headers={"Location": "/elsewhere"}), Pause, "set_up"),
        (Reply(413), Reject, "too_large"),
        (Reply(422), Reject, "rejected"),
        (Reply(410), Reject, "rejected"),
        (Reply(501), Reject, "rejected"),
        (Reset(), RetryLater, "connection"),
    ],
    ids=["200", "500", "429", "401", "403", "404", "302", "413", "422", "410", "501 listed", "reset"],
)
async def test_what_the_receiver_answers_decides(
    fake_vendor: FakeVendor, reply: Reply, outcome: type[Outcome], reason: str
) -> None:
    fake_vendor.default = reply
    found = await outcome_of(fake_vendor, final_statuses=[501])
    assert (type(found), getattr(found, "reason", "")) == (outcome, reason)
    assert getattr(found, "after_s", None) == (30.0 if reply.status == 429 else None)
    assert len(fake_vendor.requests) == 1


@pytest.mark.parametrize("status", [413, 422, 501])
async def test_a_batch_refused_without_a_word_per_event_is_split(fake_vendor: FakeVendor, status: int) -> None:
    fake_vendor.default = Reply(status)
    assert isinstance(await outcome_of(fake_vendor, n=3, batch=10, final_statuses=[501]), Split)


async def test_the_receivers_words_are_kept_without_the_secret_that_they_quote() -> None:
    settings = {"url": f"{URL}", "shared_secret": TOKEN}
    async with Bench(Webhook, settings) as bench:
        bench.vendor.default = Reply(422, body=f"no such token: {TOKEN}".encode())
        told = await bench.why(await bench.track())
    assert (told["reason"], told["detail"]) == ("rejected", "status_422: no such token: ***")


async def test_a_receiver_that_never_answers_is_tried_again_after_the_time_out() -> None:
    async with Bench(Webhook, WITH_TOKEN, delivery={"timeout": "30s"}) as bench:
        bench.vendor.script(Hang())
        event = await bench.track()
        await bench.advance(seconds=29)
        assert await bench.fate(event) == ("queued", "in_flight")
        await bench.advance(minutes=1)
        first, second = (await bench.why(event))["attempts"]
        assert ("in time" in first["error"], second["status"]) == (True, 200)
        assert await bench.fate(event) == ("delivered", "")


async def test_a_batch_holds_as_many_events_as_are_set_and_a_refused_one_alone_is_dead() -> None:
    async with Bench(Webhook, {**WITH_TOKEN, "batch": 3}) as bench:
        bench.vendor.answer = lambda seen: Reply(422 if b"Bad" in seen.body else 200)
        names = ["A", "B", "C", "D", "Bad"]
        sent = await bench.post([{"type": "track", "userId": name, "event": name} for name in names])
        assert [len(seen.json()) for seen in bench.requests][:2] == [3, 2]
        assert [(await bench.fate(one)).state for one in sent] == [*["delivered"] * 4, "dead"]


async def test_one_attempt_is_one_post_with_the_headers_that_were_set(fake_vendor: FakeVendor) -> None:
    await outcome_of(fake_vendor, shared_secret="s3cret", headers={"X-Api-Key": "k1"})
    (seen,) = fake_vendor.requests
    assert (seen.method, seen.url) == ("POST", WITH_TOKEN["url"])
    assert (seen.headers["x-api-key"], seen.headers["content-type"]) == ("k1", "application/json")
    check_signature(seen.body, seen.headers["x-signature"], ["s3cret"])
    assert seen.json() == calls(1)[0].body


# ---------------------------------------------------------------- any JSON


@given(
    kind=st.sampled_from(TYPES),
    payloads=st.lists(st.dictionaries(st.text(), ANY_JSON), min_size=1, max_size=3),
    batch=st.sampled_from([1, 3]),
    secret=st.text(min_size=1),
)
@pytest.mark.long
def test_any_json_becomes_valid_json_with_a_signature_that_holds(
    kind: str, payloads: list[dict[str, Any]], batch: int, secret: str
) -> None:
    sending = plugin(batch=batch, shared_secret=secret)
    events = [msgspec.structs.replace(event_of({"type": kind}), payload=payload) for payload in payloads[:batch]]
    items = [item for event in events for item in mapped(sending, event, Context())]
    request = sending.request(items)
    bodies = [item.body for item in items]
    assert json.loads(request.body) == (bodies if batch > 1 else bodies[0])
    check_signature(request.body, request.headers["X-Signature"], [secret])
