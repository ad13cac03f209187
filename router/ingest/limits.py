"""How much a client may send: reads a request body, inflated, never holding more than its limit in memory.

Stands first in ingestion: server -> limits -> parse. The server must run with `auto_decompress=False`: aiohttp would
otherwise inflate by itself, without a bound of ours and with a thread hop for every larger chunk.
"""

from __future__ import annotations

import asyncio
import zlib

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from router.errors import InvalidCall, TooLarge

MAX_ITEM_BYTES = 32 * 1024
"""One call inside a batch. 1 KB is read as 1,024 bytes, as the client libraries do in their own guard."""

MAX_SINGLE_BYTES = MAX_ITEM_BYTES + 512
"""The body of a single call: clients add writeKey and sentAt after their own guard."""

MAX_BATCH_BYTES = 600 * 1024
"""The body of a batch. Ruby and PHP fill a batch to 512,000 bytes before they add the envelope."""

MAX_WEBHOOK_BYTES = 4 * 1024 * 1024
"""The body of Segment's Webhooks destination: whole events, a thousand and more in an array."""

MAX_BATCH_ITEMS = 2_500
MAX_STORED_BATCH_BYTES = 4 * 1024 * 1024
"""What one batch may take in the store, where its shared context is repeated with every call."""

MAX_DEPTH = 128
"""Levels of nesting in a call; whatever handles it later may then recurse over it."""

MAX_MESSAGE_ID = 100  # characters

BODY_TIMEOUT_S = 30.0
"""A body has this long to arrive."""

IDLE_TIMEOUT_S = 75.0
"""A connection may stand this long without a whole request head."""

MAX_CONNECTIONS = 10_000
MAX_IN_FLIGHT = 2_048
"""Requests being read or stored at a time; those beyond are asked to come again."""


async def read_body(request: web.Request, max_bytes: int) -> bytes:
    """The body of a request, inflated as its Content-Encoding says.

    Raises: TooLarge beyond `max_bytes`, counted after inflating; InvalidCall when it cannot be read.
    """
    try:
        # Nearly every body arrives together with its headers: no timer, no await.
        body = request.content.read_nowait() if request.content.is_eof() else await _read_slowly(request, max_bytes)
    except TimeoutError:
        raise InvalidCall("body_timeout", f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s", 408) from None
    except (web.RequestPayloadError, HttpProcessingError):
        raise InvalidCall("invalid_http", "the body is not valid HTTP") from None
    except OSError:
        raise InvalidCall("disconnected", "the client has gone") from None  # nobody is there to read it
    # Compressed bytes are bounded by the same number: what does not fit compressed does not fit inflated either.
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    encoding = request.headers.get(hdrs.CONTENT_ENCODING)
    if encoding is None:
        return body
    encoding = encoding.strip().lower()
    return inflate(body, encoding, max_bytes) if encoding and encoding != "identity" else body


async def _read_slowly(request: web.Request, max_bytes: int) -> bytes:
    length = request.content_length
    if length is not None and length > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    async with asyncio.timeout(BODY_TIMEOUT_S):
        while chunk := await request.content.readany():
            body += chunk
            if len(body) > max_bytes:
                raise _too_large(max_bytes)
    return bytes(body)


def inflate(data: bytes, encoding: str, max_bytes: int) -> bytes:
    """Inflate a gzip or deflate body. A bomb costs one byte more than the limit."""
    if encoding in ("gzip", "x-gzip"):
        window = zlib.MAX_WBITS | 16
    elif encoding == "deflate":
        window = zlib.MAX_WBITS if _has_zlib_header(data) else -zlib.MAX_WBITS
    else:
        raise InvalidCall("unsupported_encoding", "Content-Encoding must be gzip, deflate or identity", 415)
    stream = zlib.decompressobj(window)
    try:
        body = stream.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise InvalidCall("invalid_encoding", f"the body is not valid {encoding}") from error
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    if not stream.eof:
        raise InvalidCall("invalid_encoding", f"the {encoding} body is cut short")
    if stream.unused_data:
        raise InvalidCall("invalid_encoding", f"there is more after the end of the {encoding} body")
    return body


def _has_zlib_header(data: bytes) -> bool:
    # Source: RFC 1950, 2.2. Some senders of "deflate" leave the zlib wrapper out.
    return len(data) >= 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the body is larger than {max_bytes} bytes")
