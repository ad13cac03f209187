"""The status of an answer, read ahead of aiohttp, however its bytes come in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.deliver.send.aiohttp_head import HeadReader
from router.deliver.send.http_client import MAX_HEAD

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX: 200\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ANSWER = b"HTTP/1.1 503 Busy\r\nRetry-After:  5 \r\nbad name : 1\r\nno colon\r\n\r\nbody\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
BARE = b"HTTP/1.0 200\nA: 1\n\nbody"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
GARBAGE = b"HTTP/1.1 20\xff\r\n\r\n"
SSH = b"SSH-2.0-OpenSSH\r\n"
WANTED = {
    ANSWER: (503, {"retry-after": "5"}),
    BARE: (200, {"a": "1"}),
    SWITCH: (101, {"upgrade": "x"}),
    GARBAGE: (0, {}),
    SSH: (0, {}),
}


@given(
    before=st.lists(st.sampled_from([HINTS, CONTINUE]), max_size=4),
    answer=st.sampled_from(list(WANTED)),
    cuts=st.lists(st.integers(1, 300), max_size=12),
)
def test_what_is_read_and_passed_on_begins_with_the_answer_itself(
    before: list[bytes], answer: bytes, cuts: list[int]
) -> None:
    data = b"".join(before) + answer
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    reader = HeadReader()
    passed = b"".join(reader.feed(data[begin:end]) for begin, end in zip([0, *ends], ends, strict=False))
    assert passed == answer
    assert (reader.status, reader.headers) == WANTED[answer]
    assert not reader.is_over


@given(st.lists(st.binary(max_size=100), max_size=20))
def test_no_bytes_make_it_fail_or_lose_any_of_what_is_no_1xx(pieces: list[bytes]) -> None:
    reader = HeadReader()
    passed = b"".join(map(reader.feed, pieces))
    assert b"".join(pieces).startswith(passed)


@pytest.mark.parametrize("piece", [CONTINUE, HINTS, b"HTTP/1.1 103 Hints\r\nA: " + b"x" * 99_999])
def test_answers_before_the_answer_are_bounded(piece: bytes) -> None:
    reader, size = HeadReader(), 0
    while not reader.is_over:
        assert reader.feed(piece) == b""
        size += len(piece)
    assert size <= MAX_HEAD + len(piece)
