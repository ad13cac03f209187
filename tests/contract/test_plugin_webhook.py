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
from router.clock import SystemClock
from router.deliver.send.http_client import Fault, open_client
from router.deliver.send.http_client import Reply as Read
from router.deliver.send.sender import Attempt, read_result
from router.errors import ConfigError
from router.ingest.webhook import check_signature, parse_webhook
from router.plugin import Answer, Context, Delivered, Item, Outcome, Pause, Reject, RetryLater, Split, by_status
from router.plugin_host import Destination, read
from router.testing.vendor import FakeVendor, Hang, Reply, Reset
from tests.contract.plugin_case import ANY_JSON, check, event_of, fixtures, mapped

URL = "https://example.com/hook"
TYPES = ["identify", "group", "track", "page", "screen", "alias"]


def plugin(**settings: Any) -> Webhook:
    return Webhook(WebhookSettings.model_validate({"url": URL, **settings}))


def calls(n: int) -> list[Item]:
    return [Item({"type": "track", "userId": f"u{at}", "event": "E", "messageId": f"m{at}"}) for at in range(n)]


@pytest.mark.parametrize("path", fixtures("webhook"), ids=lambda path: path.stem)
def test_fixture_gives_its_requests(path: Path) -> None:
    case = json.loads(path.read_text())
    check(Webhook(WebhookSettings.model_validate(case["settings"])), case)


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
        ({"url": "https://me:pass@example.com/"}, "url: give user and password as a header"),
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


async def outcome_of(
    folder: Path, vendor: FakeVendor, *, n: int = 1, patience: str = "30s", **settings: Any
) -> tuple[Outcome, Attempt]:
    """What the router makes of one attempt, through its own door to the network."""
    hook = configured(folder, {"HOOK_URL": f"{vendor.url}/hook?token={TOKEN}"}, live(settings, patience))
    async with open_client(hook.config.delivery) as client:
        result: Read | Fault
        try:
            result = await client.send(hook.hooks["request"](calls(n)))
        except Fault as fault:
            result = fault
        attempt = Attempt(hook, client, SystemClock())
        outcomes = read_result(hook, calls(n), attempt, result)
    assert len(set(map(repr, outcomes))) == 1
    return outcomes[0], attempt


def live(settings: dict[str, Any], patience: str) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    head = TABLES.replace('mode = "dry-run"', f'delivery = {{ timeout = "{patience}" }}').partition("headers")[0]
    return head + "\n".join(lines)


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
        (Hang(), RetryLater, "timeout"),
    ],
    ids=["200", "500", "429", "401", "403", "404", "302", "413", "422", "410", "501 listed", "reset", "hang"],
)
async def test_what_the_receiver_answers_decides(
    tmp_path: Path, reply: Reply, outcome: type[Outcome], reason: str
) -> None:
    async with FakeVendor(reply) as vendor:
        waits = "100ms" if isinstance(reply, Hang) else "30s"
        found, attempt = await outcome_of(tmp_path, vendor, patience=waits, final_statuses=[501])
    assert (type(found), getattr(found, "reason", "")) == (outcome, reason)
    assert attempt.retry_after_s == (30.0 if attempt.status == 429 else None)
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("status", [413, 422, 501])
async def test_a_batch_refused_without_a_word_per_event_is_split(tmp_path: Path, status: int) -> None:
    async with FakeVendor(Reply(status)) as vendor:
        found, _ = await outcome_of(tmp_path, vendor, n=3, batch=10, final_statuses=[501])
    assert isinstance(found, Split)


async def test_the_receivers_words_are_kept_without_the_secret_that_they_quote(tmp_path: Path) -> None:
    async with FakeVendor(Reply(422, body=f"Cannot POST /hook?token={TOKEN}".encode())) as vendor:
        found, _ = await outcome_of(tmp_path, vendor)
    assert found == Reject("rejected", "status_422: Cannot POST ***")


API_KEY: dict[str, Any] = {"headers.X-Api-Key": "k1"}


async def test_one_attempt_is_one_post_with_the_headers_that_were_set(tmp_path: Path) -> None:
    async with FakeVendor() as vendor:
        await outcome_of(tmp_path, vendor, shared_secret="s3cret", **API_KEY)
    (seen,) = vendor.requests
    assert (seen.method, seen.url) == ("POST", f"/hook?token={TOKEN}")
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
