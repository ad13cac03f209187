"""Answers from bytes, however they come in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.deliver.send.http_answer import MAX_RAW_BODY, AnswerReader
from router.deliver.send.http_client import MAX_BODY, MAX_HEAD, Fault, Reply

LENGTH = b"HTTP/1.1 200 OK\r\nRetry-After: 5\r\nContent-Length: 4\r\n\r\nbody"
CHUNKED = b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nbo\r\n2\r\ndy\r\n0\r\nT: 1\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\nA: 1\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n" + LENGTH
BROKEN = b"HTTP/1.1 404 Not Found\r\nA : 1\r\n\r\n"
GARBAGE = b"SSH-2.0-OpenSSH\r\n\r\n"


def read(reader: AnswerReader, pieces: list[bytes], method: str = "POST") -> tuple[object, ...]:
    """What comes of an answer in these pieces, and whether the connection may be kept."""
    reader.begin(method)
    for piece in pieces:
        result = reader.feed(piece)
        if isinstance(result, Reply):
            return (result.status, result.headers, result.body, bool(result.trouble), reader.keeps)
        if isinstance(result, Fault):
            return (result.reason,)
    return ()


WANTED = {
    LENGTH: (200, {"retry-after": "5", "content-length": "4"}, b"body", False, True),
    CHUNKED: (503, {"transfer-encoding": "chunked"}, b"body", False, True),
    INTERIM: (200, {"retry-after": "5", "content-length": "4"}, b"body", False, True),
    BROKEN: (404, {}, b"", True, False),
    GARBAGE: ("protocol",),
}


@given(answers=st.lists(st.sampled_from([LENGTH, CHUNKED, INTERIM]), max_size=3), last=st.sampled_from(list(WANTED)),
       cuts=st.lists(st.integers(1, 200), max_size=8))  # fmt: skip
def test_the_pieces_that_answers_come_in_make_no_difference(answers: list[bytes], last: bytes, cuts: list[int]) -> None:
    reader = AnswerReader()
    for answer in [*answers, last]:
        ends = sorted({min(cut, len(answer)) for cut in cuts} | {len(answer)})
        pieces = [answer[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
        assert read(reader, pieces) == WANTED[answer]
    reader.release()


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_fail(data: bytes) -> None:
    reader = AnswerReader()
    reader.begin("POST")
    reader.feed(data)
    reader.end("closed", clean=True)
    reader.feed(b"HTTP/1.1 200 OK\r\n" + data)
    reader.end("closed", clean=False)
    reader.release()


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_nothing_comes_of_half_a_head(method: str) -> None:
    reader = AnswerReader()
    reader.begin(method)
    assert reader.feed(b"HTTP/1.1 20") is None
    assert reader.end("closed", clean=True) is None


def test_after_the_status_the_end_of_the_connection_is_an_answer() -> None:
    reader = AnswerReader()
    reader.begin("POST")
    assert reader.feed(b"HTTP/1.1 503 Busy\r\nA: 1\r\n") is None
    reply = reader.end("closed", clean=True)
    assert reply is not None
    assert (reply.status, reply.headers, reply.trouble) == (503, {}, "headers: closed")


@pytest.mark.parametrize(
    ("first", "then", "most"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", MAX_HEAD),
        (b"HTTP/1.1 200 OK\r\nA: ", b"a" * 1000, MAX_HEAD),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 1000, MAX_BODY),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", MAX_RAW_BODY),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 1000, MAX_RAW_BODY),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: 1\r\n", MAX_RAW_BODY),
    ],
    ids=["1xx", "header", "body", "chunks", "chunk extension", "trailers"],
)
def test_whatever_does_not_end_is_cut_off(first: bytes, then: bytes, most: int) -> None:
    reader = AnswerReader()
    reader.begin("POST")
    result, size = reader.feed(first) if first else None, 0
    while result is None and size <= 2 * most:
        size += len(then)
        result = reader.feed(then)
    assert result is not None
    assert size <= most + len(then) + 2000
    assert not reader.keeps
