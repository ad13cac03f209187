"""How bodies are inflated, and how far. Reading them from a socket is tested with the routes."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from router.errors import InvalidCall, TooLarge
from router.ingest.inflating import MAX_MEMBERS, inflate, told_size

TEXT = b'{"batch":[]}' * 50
GZIP = gzip.compress(TEXT, mtime=0)


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (GZIP, "gzip"),
        (GZIP, "x-gzip"),
        (zlib.compress(TEXT), "deflate"),
        (raw_deflate(TEXT), "deflate"),
        (GZIP + bytes(512), "gzip"),
        (GZIP + b"\r\n", "gzip"),
        (zlib.compress(TEXT) + b"\n", "deflate"),
    ],
)
def test_gzip_and_both_kinds_of_deflate_are_inflated(data: bytes, encoding: str) -> None:
    assert inflate(data, encoding, len(TEXT)) == TEXT


def test_a_gzip_body_of_several_members_is_one_body() -> None:
    data = gzip.compress(TEXT[:7]) + gzip.compress(b"") + bytes(3) + gzip.compress(TEXT[7:]) + b"\n"
    assert inflate(data, "gzip", len(TEXT)) == TEXT
    with pytest.raises(TooLarge):
        inflate(data, "gzip", len(TEXT) - 1)


def test_the_members_of_a_gzip_body_are_bounded() -> None:
    assert inflate(gzip.compress(b"x") * MAX_MEMBERS, "gzip", 10_000) == b"x" * MAX_MEMBERS
    with pytest.raises(InvalidCall, match="members"):
        inflate(gzip.compress(b"x") * (MAX_MEMBERS + 1), "gzip", 10_000)


def test_one_byte_over_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge):
        inflate(gzip.compress(TEXT), "gzip", len(TEXT) - 1)


def test_a_bomb_costs_no_more_than_the_limit() -> None:
    bomb = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            inflate(bomb, "gzip", 600 * 1024)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("data", [b"", b"{}", b"\x1f\x8b", GZIP[:-4], GZIP + b"x", GZIP + b"\nx", GZIP + GZIP[:20]])
def test_what_is_not_whole_and_nothing_else_is_an_invalid_encoding(data: bytes, encoding: str) -> None:
    with pytest.raises(InvalidCall) as refusal:
        inflate(data, encoding, 10_000)
    assert (refusal.value.code, refusal.value.status) == ("invalid_encoding", 400)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_other_encodings_are_unsupported(encoding: str) -> None:
    with pytest.raises(InvalidCall) as refusal:
        inflate(b"x", encoding, 10_000)
    assert (refusal.value.code, refusal.value.status) == ("unsupported_encoding", 415)


@pytest.mark.parametrize(
    ("data", "encoding", "size"),
    [
        (GZIP, "gzip", len(TEXT)),
        (GZIP, "x-gzip", len(TEXT)),
        (GZIP + gzip.compress(b"x"), "gzip", 1),
        (zlib.compress(TEXT), "deflate", 0),
        (b"", "gzip", 0),
    ],
)
def test_the_end_of_a_gzip_body_tells_the_size_of_its_last_member(data: bytes, encoding: str, size: int) -> None:
    assert told_size(data, encoding) == size
