"""Calls as ingestion takes them, and into the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

import msgspec

from router.accept import Acceptor
from router.errors import InvalidCall
from router.event import Call
from router.ingest.parse import parse_single
from router.plugin import JSON

__all__ = ["accept", "accepted", "type_of"]

SOURCE = "website"


def type_of(call: bytes) -> str:
    """The type that a call names; "" if it cannot be read."""
    try:
        return str(json.loads(call)["type"])  # it reads what others do not: NaN, and half of an emoji
    except (ValueError, KeyError):
        return ""


def accepted(call: Mapping[str, JSON] | bytes, received_ms: int, source: str = SOURCE, new_id: str = "m1") -> Call:
    """A call, as a library sends it, as ingestion takes it.

    Args:
        call: with its `type`; as JSON, if it cannot be told otherwise.
        new_id: the message id of one that has none.

    Raises:
        ValueError: ingestion refuses it.
    """
    body = call if isinstance(call, bytes) else msgspec.json.encode(call)
    try:
        calls, discards = parse_single(type_of(body), body).calls(source, received_ms, None, new_id=lambda: new_id)
    except InvalidCall as error:
        raise ValueError(f"this call would be refused: {error}") from None
    if discards:
        raise ValueError(f"this call would be discarded: {discards[0].message}")
    return calls[0]


async def accept(acceptor: Acceptor, calls: Sequence[Call]) -> None:
    """Return once these are on stable storage. Raises StoreError when they are not."""
    stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_done(result: Exception | int) -> None:
        if stored.done():
            return
        if isinstance(result, Exception):
            stored.set_exception(result)
        else:
            stored.set_result(result)

    acceptor.accept_soon(list(calls), [], on_done)
    await stored
