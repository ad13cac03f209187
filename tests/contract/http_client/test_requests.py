"""What goes over the wire is what the plugin asked for, byte for byte; what cannot go is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from router.deliver.send.http_client import Client, Fault
from router.plugin import MAX_BODY, MAX_HEADERS_BYTES, MAX_URL, Request, json_request
from tests.contract.http_client.conftest import Vends
from tests.contract.http_client.raw_vendor import RawVendor, says

OK = says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


async def sent(client: Client, vends: Vends, path: str = "/", **fields: Any) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """The request line, the headers as they are spelt, and the body that a vendor got."""
    vendor: RawVendor = await vends(OK)
    await client.send(Request(vendor.url + path, **fields))
    head, body = vendor.requests[0].split(b"\r\n\r\n", 1)
    line, *lines = head.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)
    assert headers.pop(b"Host") == b"127.0.0.1:%d" % vendor.port
    return line, headers, body


AS_ASKED = (
    "/%2F", "/%2f", "/%20", "/%41", "/%7E", "/%00", "/%zz", "/a%", "//", "/a//", "/;", "/:@", "/[]", "/~", "/+",
    "/!$()*,=", "/|", "/^", "/'", "/&", "/?b?c", "/%252e%252e", "/..%2f..", "/...", "/a/../b", "/a/./b", "/..",
    "/%2e%2e/x", "/%2E", "/.%2e", "/\\", '/{}"<>`', "/?a='", '/?a="', "/?a=%2F&b=+", "/?x=http://h/@",
)  # fmt: skip


@pytest.mark.parametrize("path", AS_ASKED)
async def test_a_url_goes_out_byte_for_byte(path: str, client: Client, vends: Vends) -> None:
    line, _, _ = await sent(client, vends, path)
    assert line == b"POST %s HTTP/1.1" % path.encode()


@pytest.mark.parametrize(("path", "target"), [("", b"/"), ("?x=1", b"/?x=1"), ("/", b"/")])
async def test_a_url_without_a_path_asks_for_the_root(path: str, target: bytes, client: Client, vends: Vends) -> None:
    line, _, _ = await sent(client, vends, path)
    assert line == b"POST %s HTTP/1.1" % target


NO_URLS: tuple[Any, ...] = (
    "http://h/a b", "http://h/é", "http://h/a\tb", "http://h/a\nb", "http://h/a\r\nX: 1", "http://h/#frag", "http://h/a\n",
    "http://h/\x00", "http://h/\x7f", " http://h/", "http://münchen.example/", 7, None, b"http://h/",
)  # fmt: skip


@pytest.mark.parametrize("url", NO_URLS)
def test_a_request_with_a_url_that_cannot_go_over_the_wire_cannot_be_made(url: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"Request\.url") as caught:
        Request(url)
    assert "//h" not in str(caught.value)


REFUSED_URLS = (
    "http:/h/x", "http:h", "http://", "http:///x", "http://user:pw@h/", "http://h:0/", "http://h:99999/", "http://h:x/",
    "ftp://h/", "h/x", "", "http://[::1/", "http://h{/",
)  # fmt: skip


@pytest.mark.parametrize("url", REFUSED_URLS)
async def test_a_url_that_cannot_go_as_it_stands_is_refused(url: Any, client: Client) -> None:
    with pytest.raises(Fault) as caught:
        await client.send(Request(url))
    assert (caught.value.reason, caught.value.sent) == ("url", False)
    assert "pw" not in caught.value.words


@pytest.mark.parametrize("body", [b"", b"{}", b"x" * 85_000, b"\x00\xff" * 2_500_000], ids=len)
async def test_a_body_goes_out_with_its_length(body: bytes, client: Client, vends: Vends) -> None:
    _, headers, found = await sent(client, vends, body=body)
    assert found == body
    assert headers[b"Content-Length"] == b"%d" % len(body)
    assert b"Transfer-Encoding" not in headers


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_a_method_without_a_body_has_no_length(method: str, client: Client, vends: Vends) -> None:
    line, headers, _ = await sent(client, vends, method=method)
    assert line.startswith(method.encode())
    assert b"Content-Length" not in headers


async def test_no_header_is_added_but_the_routers_name(client: Client, vends: Vends) -> None:
    _, headers, _ = await sent(client, vends, headers={"X-Api-KEY": "a"}, body=b"{}")
    assert headers == {b"X-Api-KEY": b"a", b"User-Agent": b"segment-router", b"Content-Length": b"2"}


async def test_a_plugin_may_have_a_name_of_its_own(client: Client, vends: Vends) -> None:
    _, headers, _ = await sent(client, vends, headers={"user-agent": "mine"})
    assert headers == {b"user-agent": b"mine", b"Content-Length": b"0"}


async def test_two_names_that_differ_in_case_are_both_sent(make: str, client: Client, vends: Vends) -> None:
    if make == "aiohttp":
        pytest.skip("aiohttp sends the last one")
    _, headers, _ = await sent(client, vends, headers={"X-a": "1", "X-A": "2"})
    assert (headers[b"X-a"], headers[b"X-A"]) == (b"1", b"2")


async def test_a_value_in_latin_1_goes_out_in_latin_1(make: str, client: Client, vends: Vends) -> None:
    _, headers, _ = await sent(client, vends, headers={"X-A": "café\t!"})
    assert headers[b"X-A"] == ("café\t!".encode("latin-1") if make == "httptools" else "café\t!".encode())


REFUSED_HEADERS: tuple[dict[Any, Any], ...] = (
    {"X-A": "5ecret\r\nX-B: 1"}, {"X-A": "5ecret\n"}, {"X-A": "5ecret\x00"}, {"X-A": "5ecret\x7f"}, {"X-A": "5ecret €"},
    {"X A": "5ecret"}, {"X-A:": "5ecret"}, {"": "5ecret"}, {"X-\u00e9": "5ecret"}, {"X-A": 5}, {"X-A": None}, {5: "5ecret"},
    {"Content-Length": "99"}, {"Transfer-Encoding": "chunked"}, {"Host": "5ecret"}, {"Connection": "close"},
    {"expect": "100-continue"}, {"TE": "trailers"}, {"Upgrade": "h2c"},
)  # fmt: skip


@pytest.mark.parametrize("headers", REFUSED_HEADERS, ids=lambda headers: repr(headers)[:30])
def test_a_request_with_a_header_that_breaks_it_cannot_be_made_and_its_value_is_not_told(headers: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="header") as caught:
        Request("http://127.0.0.1:9/", headers=headers)
    assert "5ecret" not in str(caught.value)


async def test_a_header_that_is_broken_after_the_request_was_made_is_refused_before_anything_is_sent(
    client: Client, vends: Vends
) -> None:
    vendor: RawVendor = await vends(OK)
    headers = {"X-A": "1"}
    request = Request(vendor.url, headers=headers)
    headers["X-A"] = "5ecret\r\nX-B: 1"
    with pytest.raises(Fault) as caught:
        await client.send(request)
    assert (caught.value.reason, caught.value.sent) == ("header", False)
    assert "5ecret" not in caught.value.words
    assert vendor.visits == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"method": "GET /x"}, "method"),
        ({"method": ""}, "method"),
        ({"method": "CONNECT"}, "method"),
        ({"method": None}, "method"),
        ({"body": "text"}, "Request.body is str: want bytes"),
        ({"body": {"a": 1}}, "Request.body is dict: want bytes; json_request makes them of JSON"),
        ({"headers": ["X"]}, "Request.headers is list: want a mapping"),
    ],
    ids=str,
)
def test_a_request_of_wrong_types_cannot_be_made(fields: dict[str, Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        Request("http://127.0.0.1:9/", **fields)


URL = "http://127.0.0.1:9/"
ROOM_FOR_A = MAX_HEADERS_BYTES - len("A: \r\n")
ALIASES: list[Any] = [1]
for _ in range(9):
    ALIASES = [ALIASES] * 100


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda more: Request(URL + "x" * (MAX_URL - len(URL) + more)), "Request.url has 32,769 characters"),
        (
            lambda more: Request(URL, headers={"A": "x" * (ROOM_FOR_A + more)}),
            "Request.headers takes more than 65,536 bytes",
        ),
        (
            lambda more: Request(URL, headers={"A": "x" * 1000, "B": "x" * (ROOM_FOR_A - 1005 + more)}),
            "Request.headers takes more than 65,536 bytes",
        ),
        (lambda more: Request(URL, body=bytes(MAX_BODY + more)), "Request.body has 8,388,609 bytes"),
        (lambda more: json_request(URL, "x" * (MAX_BODY - 2 + more)), "the JSON of Request.body has more bytes"),
    ],
    ids=["url", "header", "headers", "body", "json"],
)
def test_a_request_fills_its_room_to_the_last_byte_and_cannot_be_made_beyond(make: Any, words: str) -> None:
    make(0)
    with pytest.raises(ValueError, match=words):
        make(1)


@pytest.mark.parametrize("value", [ALIASES, ["x" * MAX_BODY, object()]], ids=["one list many times", "no JSON behind"])
def test_no_more_json_is_made_than_a_body_may_have(value: Any) -> None:
    """The JSON of the first would have 10^18 numbers; what stands behind the limit of the second is not looked at."""
    with pytest.raises(ValueError, match="at most 8,388,608 are sent; lower max_bytes or max_items in `kinds`"):
        json_request(URL, value)


async def test_a_header_that_grows_after_the_request_was_made_is_refused_too(client: Client) -> None:
    headers = {"X-A": "1"}
    request = Request(URL, headers=headers)
    headers["X-A"] = "x" * MAX_HEADERS_BYTES
    with pytest.raises(Fault, match=r"Request\.headers takes more"):
        await client.send(request)


async def test_a_thousand_different_urls_are_each_sent_as_they_are(make: str, client: Client, vends: Vends) -> None:
    vendor: RawVendor = await vends(OK)
    for n in range(1000 if make == "httptools" else 10):
        await client.send(Request(f"{vendor.url}/{n}", headers={"X-N": str(n % 3)}))
    for n, request in enumerate(vendor.requests):
        assert request.startswith(b"POST /%d HTTP/1.1\r\n" % n)
        assert b"X-N: %d\r\n" % (n % 3) in request
