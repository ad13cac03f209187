"""A head is read once and then recognised, whatever the length of its body; any other head is another one."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from aiohttp.http_parser import HttpRequestParser

from router.ingest import request_head
from router.ingest.request_head import Head, HeadReader, Route

ROUTES = {"/v1/t": Route("track", 100), "/v1/b": Route("", 1_000)}


def head(*headers: str, path: str = "/v1/t", length: int = 5) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", *headers, f"Content-Length: {length}", "X-Last: 1"]
    return "\r\n".join([*lines, "", ""]).encode()


def basic(key: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{key}:".encode()).decode()


@pytest.fixture
def reader() -> HeadReader:
    return HeadReader(ROUTES)


@pytest.fixture
def parsers(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The parsers of aiohttp's that were made: one a head."""
    made: list[object] = []

    def make(*args: Any, **kwargs: Any) -> HttpRequestParser:
        parser = HttpRequestParser(*args, **kwargs)
        made.append(parser)
        return parser

    monkeypatch.setattr(request_head, "HttpRequestParser", make)
    return made


async def test_heads_that_differ_in_the_length_of_the_body_alone_are_parsed_once(
    reader: HeadReader, parsers: list[object]
) -> None:
    for length in (5, 99, 100):
        found = reader.read(head(length=length) + b"{}")
        assert found is not None
        assert (found.head, found.end - found.body_at) == (Head(ROUTES["/v1/t"], "", ()), length)
    assert len(parsers) == 1


async def test_each_write_key_is_a_head_of_its_own(reader: HeadReader) -> None:
    found = [reader.read(head(basic(key))) for key in ("one", "two", "one")]
    assert [request and request.head.key for request in found] == ["one", "two", "one"]


async def test_a_body_over_the_limit_of_its_path_is_not_awaited(reader: HeadReader) -> None:
    assert reader.read(head(length=101)) is None
    assert reader.read(head(length=0)) is None
    assert reader.read(head(path="/v1/b", length=1_000)) is not None
    assert reader.read(head(path="/v1/b", length=10_000_000)) is None


async def test_an_unusual_head_is_remembered_as_one(reader: HeadReader, parsers: list[object]) -> None:
    for _ in range(3):
        assert reader.read(head("Origin: https://shop.example")) is None
    assert len(parsers) == 1


async def test_remembered_heads_are_bounded(reader: HeadReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_head, "MAX_CACHED_HEADS", 10)
    for number in range(35):
        assert reader.read(head(f"X-Trace: {number}")) is not None
        assert len(reader._heads) <= 10


async def test_a_head_that_is_not_here_in_full_or_too_long_is_left_alone(
    reader: HeadReader, parsers: list[object]
) -> None:
    assert reader.read(head()[:-1]) is None
    assert reader.read(head("X: " + "a" * request_head.MAX_HEAD_BYTES)) is None
    assert parsers == []


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333{}-01"


async def test_heads_that_differ_in_their_traceparent_alone_are_parsed_once_and_it_is_told(
    parsers: list[object],
) -> None:
    reader = HeadReader(ROUTES, is_traced=True)
    for number, name in enumerate(("traceparent", "Traceparent", "traceparent")):
        found = reader.read(head(f"{name}: {TRACE.format(number)}"))
        assert found is not None
        assert found.traceparent == TRACE.format(number)
    without = reader.read(head())
    assert without is not None
    assert without.traceparent == ""
    assert len(parsers) == 1, "the shape without the header is that of a head that has none"


async def test_where_nothing_is_traced_the_header_is_not_looked_at(reader: HeadReader) -> None:
    found = reader.read(head(f"traceparent: {TRACE.format(1)}"))
    assert found is not None
    assert found.traceparent == ""


@pytest.mark.parametrize("value", ["", "x", "00-" + "0" * 60, "zz" + TRACE.format(1)[2:]])
async def test_what_is_no_traceparent_is_a_header_like_any_other(value: str) -> None:
    found = HeadReader(ROUTES, is_traced=True).read(head(f"traceparent: {value}"))
    assert found is not None
    assert found.traceparent == ""
