"""Inflates bodies as their Content-Encoding says, never beyond a limit. Pure."""

from __future__ import annotations

import zlib

from router.errors import InvalidCall, TooLarge

GZIP = frozenset({"gzip", "x-gzip"})
"""Names of one Content-Encoding."""
GZIP_MAGIC = b"\x1f\x8b"
PADDING = b"\0\r\n"
"""What may follow a compressed body: zeros of a tape or a block, a line break of a shell."""

MAX_MEMBERS = 100
"""Of one gzip body. Each further one costs a copy of what is left."""


def inflate(data: bytes, encoding: str, max_bytes: int) -> bytes:
    """Inflate a gzip body of one or more members, or a deflate body. A bomb costs one byte more than the limit."""
    if encoding in GZIP:
        window = zlib.MAX_WBITS | 16
    elif encoding == "deflate":
        window = zlib.MAX_WBITS if _has_zlib_header(data) else -zlib.MAX_WBITS
    else:
        raise InvalidCall("unsupported_encoding", "Content-Encoding must be gzip, deflate or identity", 415)
    body = b""
    for _ in range(MAX_MEMBERS):
        stream = zlib.decompressobj(window)
        try:
            body += stream.decompress(data, max_bytes - len(body) + 1)
        except zlib.error as error:
            raise InvalidCall("invalid_encoding", f"the body is not valid {encoding}") from error
        if len(body) > max_bytes:
            raise too_large(max_bytes)
        if not stream.eof:
            raise InvalidCall("invalid_encoding", f"the {encoding} body is cut short")
        data = stream.unused_data.lstrip(PADDING)
        if not data:
            return body
        if encoding == "deflate" or not data.startswith(GZIP_MAGIC):
            raise InvalidCall("invalid_encoding", f"there is more after the end of the {encoding} body")
    raise InvalidCall("invalid_encoding", f"the {encoding} body has more than {MAX_MEMBERS} members")


def too_large(max_bytes: int) -> TooLarge:
    """Of a body, as it came or inflated."""
    return TooLarge(f"the body is larger than {max_bytes} bytes")


def told_size(data: bytes, encoding: str) -> int:
    """The size that the end of a gzip body gives, 0 where none is given. Its sender may lie, and of several members it is the last one's.

    Source: RFC 1952, 2.3.1 (ISIZE).
    """
    return int.from_bytes(data[-4:], "little") if encoding in GZIP else 0


def _has_zlib_header(data: bytes) -> bool:
    # Source: RFC 1950, 2.2. Some senders of "deflate" leave the zlib wrapper out.
    return len(data) >= 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
