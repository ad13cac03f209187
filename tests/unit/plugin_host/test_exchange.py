"""A request and its answer as people may see them: nothing of a credential, and never more than a bounded part."""

from __future__ import annotations

from dataclasses import replace

import pytest

from router.plugin import Answer, Request
from router.plugin_host import Destination, Redactor, shown_answer, shown_request
from router.plugin_host.exchange import MAX_BODY, MAX_HEADER, MAX_HEADERS, shortened, shortened_answer
from tests.contract.rig import Plain, Vendor, destination

SECRET = "s3cret-key-of-ours"


@pytest.fixture
def crm() -> Destination:
    return replace(destination(Plain, Vendor()), redactor=Redactor((SECRET,)))


def test_a_request_shows_no_secret_in_any_of_its_parts(crm: Destination) -> None:
    headers = {"X-Project": f"id {SECRET}", "Accept": "text/plain"}
    shown = shown_request(Request(f"https://v/{SECRET}/x", "PUT", headers, f'{{"key":"{SECRET}"}}'.encode()), crm)
    assert shown == {
        "method": "PUT", "url": "https://v/***/x", "headers": {"X-Project": "id ***", "Accept": "text/plain"},
        "body": '{"key":"***"}', "body_bytes": 28,
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["Authorization", "authorization", "Set-Cookie", "X-Api-Key", "X-Auth-Token", "X-Signature", "client-secret"],
)
def test_a_header_that_carries_a_credential_is_masked_though_its_value_is_no_secret_of_ours(
    crm: Destination, name: str
) -> None:
    shown = shown_answer(Answer(200, {name: "token that the vendor gave", "x-keyboard": "qwerty"}), crm)
    assert shown["headers"] == {name: "***", "x-keyboard": "qwerty"}


def test_a_secret_at_the_cut_is_masked_before_it_is_cut(crm: Destination) -> None:
    body = b"x" * (MAX_BODY - 5) + SECRET.encode() + b"y" * 100
    shown = shown_answer(Answer(500, {f"h{n}": "v" * 900 for n in range(80)}, body), crm)
    assert shown["body"] == "x" * (MAX_BODY - 5) + "***yy"
    assert shown["body_bytes"] == len(body)
    headers = shown["headers"]
    assert isinstance(headers, dict)
    assert (len(headers), len(str(headers["h0"]))) == (MAX_HEADERS, MAX_HEADER)


def test_what_is_kept_of_an_exchange_is_what_is_shown(crm: Destination) -> None:
    body = b"x" * (MAX_BODY - 5) + SECRET.encode() + b"y" * 1_000_000
    request, answer = Request("https://v/", body=body), Answer(500, {}, body)
    kept, kept_answer = shortened(request), shortened_answer(answer)
    assert len(kept.body) < 50_000 > len(kept_answer.body)
    assert shown_request(kept, crm, len(body)) == shown_request(request, crm)
    assert shown_answer(kept_answer, crm, len(body)) == shown_answer(answer, crm)
    small, plain = Request("https://v/", body=b"x"), Answer(200, {"a": "b"}, b"x")
    assert shortened(small) is small
    assert shortened_answer(plain) is plain


def test_of_headers_without_end_those_are_kept_that_are_shown_each_in_part(crm: Destination) -> None:
    many = Answer(200, {f"h{n}": "v" for n in range(40_000)})
    long = Answer(200, {"a" * 200_000: "v", "b": "w" * (MAX_HEADER - 5) + SECRET + "w" * 200_000})
    for answer in (many, long):
        kept = shortened_answer(answer)
        assert sum(len(name) + len(value) for name, value in kept.headers.items()) < 20_000
        assert shown_answer(kept, crm) == shown_answer(answer, crm)
    assert shown_answer(long, crm)["headers"] == {"a" * MAX_HEADER: "v", "b": "w" * (MAX_HEADER - 5) + "***ww"}


def test_a_name_of_a_header_tells_no_secret(crm: Destination) -> None:
    assert shown_answer(Answer(400, {f"bad-{SECRET}": "?"}), crm)["headers"] == {"bad-***": "?"}


def test_a_private_request_shows_nothing(crm: Destination) -> None:
    assert shown_request(Request("https://v/x", body=b"token", private=True), crm) == {"private": True}
