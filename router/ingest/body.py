"""Reads a request body, inflated, never holding more than its limit in memory.

Stands first in ingestion: routes -> body -> parse. The server must run with `auto_decompress=False`: aiohttp would
otherwise inflate by itself, without a bound of ours and with a thread hop for every larger chunk.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import cast

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11
from aiohttp.http_exceptions import HttpProcessingError

from router.errors import InvalidCall, StoreBusy, TooLarge
from router.ingest import limits
from router.ingest.in_flight import IN_FLIGHT
from router.ingest.inflating import inflate, told_size, too_large
from router.ingest.received_bytes import Receiver


async def read_body(request: web.Request, max_bytes: int) -> bytes:
    """The body of a request, inflated as its Content-Encoding says.

    Raises: TooLarge beyond `max_bytes`, counted after inflating; InvalidCall when it cannot be read; StoreBusy while the
    connections hold too much of unfinished bodies.
    """
    try:
        # Nearly every body arrives together with its headers: no timer, no await.
        body = request.content.read_nowait() if request.content.is_eof() else await _read_slowly(request, max_bytes)
    except TimeoutError:
        raise InvalidCall(
            "body_timeout", f"the body did not arrive within {limits.BODY_TIMEOUT_S:.0f} s", 408
        ) from None
    except (web.RequestPayloadError, HttpProcessingError) as error:
        _forget_frames(error)
        raise InvalidCall("invalid_http", "the body is not valid HTTP") from None
    except OSError as error:
        _forget_frames(error)
        raise InvalidCall("disconnected", "the client has gone") from None  # nobody is there to read it
    # Compressed bytes are bounded by the same number: what does not fit compressed does not fit inflated either.
    if len(body) > max_bytes:
        raise too_large(max_bytes)
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower()
    if encoding in ("", "identity"):
        if len(body) > limits.MAX_LIGHT_BYTES:
            await _wait_for_turn(request)
        return body
    if max_bytes <= limits.MAX_LIGHT_BYTES:
        return inflate(body, encoding, max_bytes)
    if told_size(body, encoding) <= limits.MAX_LIGHT_BYTES:
        with suppress(TooLarge):  # nothing was told, or too little: it begins again in its turn
            return inflate(body, encoding, limits.MAX_LIGHT_BYTES)
    await _wait_for_turn(request)  # with what was sent: inflated, many who wait would hold too much
    return inflate(body, encoding, max_bytes)


async def _wait_for_turn(request: web.Request) -> None:
    """What is done next with the body takes long: others go first."""
    in_flight = request.app.get(IN_FLIGHT)
    if in_flight is None:
        return
    await in_flight.turns.wait()
    if request.transport is None:
        raise InvalidCall("disconnected", "the client has gone")


def _forget_frames(error: Exception) -> None:
    """The stream keeps the error, whose frames hold the stream and what was read of the body: it would all stay until a collection."""
    error.__traceback__ = None


async def _read_slowly(request: web.Request, max_bytes: int) -> bytes:
    length = request.content_length
    if length is not None and length > max_bytes:
        raise too_large(max_bytes)
    await _continue(request)
    in_flight = request.app.get(IN_FLIGHT)
    if in_flight is None:  # the admin listener counts connections only: they are fewer
        return await _read_in_time(request, max_bytes)
    in_flight.reading += 1
    try:
        body = await _read_in_time(request, max_bytes)
    finally:
        in_flight.reading -= 1
    if len(in_flight) > limits.MAX_IN_FLIGHT:  # this one included
        raise StoreBusy
    return body


async def _read_in_time(request: web.Request, max_bytes: int) -> bytes:
    async with asyncio.timeout(limits.BODY_TIMEOUT_S):
        return await _read_chunks(request, max_bytes)


async def _read_chunks(request: web.Request, max_bytes: int) -> bytes:
    share = cast(Receiver, request.protocol).share
    body = bytearray()
    while request.transport is not None:
        chunk = await request.content.readany()
        if not chunk:
            return bytes(body)
        body += chunk
        del chunk  # it would be here a second time for as long as the next one is waited for
        if len(body) > max_bytes:
            raise too_large(max_bytes)
        if share.is_refused:
            raise StoreBusy
    raise ConnectionResetError  # it was ended to protect the others


async def expect_later(request: web.Request) -> None:
    """Says nothing yet to `Expect: 100-continue`: a body is asked for once it is known who sends it."""


async def _continue(request: web.Request) -> None:
    expected = request.headers.get(hdrs.EXPECT)
    if expected is None or request.version != HttpVersion11:
        return
    if expected.lower() != "100-continue":
        raise InvalidCall("expectation_failed", "the only Expect is 100-continue", 417)
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # or it would count as half an answer
