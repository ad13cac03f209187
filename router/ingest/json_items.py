"""Arrays of calls, bounded while they are decoded: what stands beyond the limit is skipped over, and takes no memory.

A list of two million numbers fits into 4 KB of gzip; as a Python list it took 460 MB.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from router.ingest.limits import MAX_BATCH_ITEMS, MAX_LIGHT_BYTES

Raw = msgspec.Raw
NOTHING = Raw(b"")

LongList = msgspec.defstruct(
    "LongList", [(f"item_{n}", Raw, NOTHING) for n in range(MAX_BATCH_ITEMS + 1)], array_like=True, gc=False
)
"""The first items of an array, one more than may be taken. msgspec skips what stands behind the fields of such a struct."""

_list = msgspec.json.Decoder(list[Raw])
_long_list: msgspec.json.Decoder[Any] = msgspec.json.Decoder(LongList)


class _Object(msgspec.Struct, gc=False):
    """An object, of which nothing is read."""


_counted: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[_Object | int | float | str | bool | None])


def may_be_long(body: bytes) -> bool:
    """Whether an array in this JSON may have more items than the limit, and too many to be decoded all the same: what is light makes a list of
    4 MB at most, and to count its commas takes longer than the half of decoding it."""
    return len(body) > MAX_LIGHT_BYTES and body.count(b",") >= MAX_BATCH_ITEMS


def decode_items(body: bytes) -> list[Raw]:
    """The items of an array, no more than one beyond the limit. Raises as msgspec does."""
    return items_of(_long_list.decode(body)) if may_be_long(body) else _list.decode(body)


def count_items(array: Raw, items: list[Raw]) -> int:
    """How many items an array has, of which the first ones are decoded. What is in the others is skipped."""
    if len(items) <= MAX_BATCH_ITEMS:
        return len(items)
    try:
        return len(_counted.decode(array))
    except (msgspec.DecodeError, RecursionError):  # not all of them can be calls: no more are counted
        return len(items)


def items_of(long_list: Any) -> list[Raw]:
    """The items in a LongList."""
    return [cast(Raw, item) for item in msgspec.structs.astuple(long_list) if item is not NOTHING]
