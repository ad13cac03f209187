"""A block of the log: the events of one group commit, packed and compressed by the node that accepted them. Pure.

One byte says how it is compressed; then msgpack, columns of equal length: instants, sources, types, user keys, message ids, bodies.
What was refused as a duplicate is packed, too, and has no position: `refused` is a bitmap over the packed events.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec

from router.errors import StoreError
from router.event import Call
from router.store.rows import LogRow

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MOST_EVENTS, MOST_BYTES = 4_000, 4_000_000
PLAIN, ZSTD = 0, 2
LEVEL = 1


class Columns(msgspec.Struct, array_like=True):
    """The packed events."""

    received_at: list[int]
    source: list[str]
    type: list[str]
    user_key: list[str]
    message_id: list[str]
    body: list[bytes]


_decode = msgspec.msgpack.Decoder(Columns).decode


def pack(calls: Sequence[Call | LogRow]) -> bytes:
    """These calls, or what is left of them, as the data of a block. Raises UnicodeEncodeError where one holds what is no text."""
    plain = msgspec.msgpack.encode(
        Columns(
            [call.received_at for call in calls],
            [call.source for call in calls],
            [call.type for call in calls],
            [call.user_key for call in calls],
            [call.message_id for call in calls],
            [call.body for call in calls],
        )
    )
    small = zstd.compress(plain, LEVEL)
    return bytes((ZSTD,)) + small if len(small) < len(plain) else bytes((PLAIN,)) + plain


def unpack(first: int, floor: int, at: int, refused: bytes, data: bytes) -> list[LogRow]:
    """The events of a block, the first one at a position. None was received before `floor`, nor after `at`."""
    columns = _decode(unpacked(first, data))
    bits = int.from_bytes(refused, "little")
    packed = zip(
        columns.received_at,
        columns.source,
        columns.type,
        columns.user_key,
        columns.message_id,
        columns.body,
        strict=True,
    )
    accepted = (values for k, values in enumerate(packed) if not bits >> k & 1) if bits else packed
    return [
        LogRow(pos, within(received_at, floor, at), *words) for pos, (received_at, *words) in enumerate(accepted, first)
    ]


def refused_of(first: int, refused: bytes, data: bytes) -> list[tuple[str, bytes]]:
    """User key and body of each packed event that was refused as a duplicate: it has no position, and stands in the block all the same."""
    columns = _decode(unpacked(first, data))
    bits = int.from_bytes(refused, "little")
    packed = zip(columns.user_key, columns.body, strict=True)
    return [event for k, event in enumerate(packed) if bits >> k & 1] if bits else []


def unpacked(first: int, data: bytes) -> bytes:
    """The data of a block as it was before it was compressed."""
    if data[0] not in (PLAIN, ZSTD):
        raise StoreError(
            f"the block at position {first} is packed in a way (code {data[0]}) that this version cannot read"
        )
    return data[1:] if data[0] == PLAIN else zstd.decompress(data[1:])


def within(received_at: int, floor: int, at: int) -> int:
    """When an event was received, in router time: positions and instants go together from block to block."""
    return min(max(received_at, floor), at)


def positions(count: int, first: int, refused: bytes) -> list[int]:
    """The position of each packed event; 0 for those that were refused."""
    bits, found, pos = int.from_bytes(refused, "little"), [], first
    for k in range(count):
        found.append(0 if bits >> k & 1 else pos)
        pos += not bits >> k & 1
    return found
