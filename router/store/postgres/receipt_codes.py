"""The outcome codes of a receipt, packed: a byte for the form, then two bytes for each position of the span, or four for each that has a code.
The second form is for shards, whose events stand far apart. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from router.store import outcome_blocks
from router.store.outcome_blocks import CODE_BYTES

DENSE, SPARSE = b"\x00", b"\x01"
PAIR = struct.Struct("<HH")
"""How far behind the first position, and the code there."""


def pack_codes(codes: dict[int, int], *, may_be_sparse: bool) -> tuple[int, int, bytes]:
    """(first position, last position, packed) of a non-empty {position: code}."""
    first, last = min(codes), max(codes)
    if may_be_sparse and PAIR.size * len(codes) < CODE_BYTES * (last - first + 1):
        return first, last, SPARSE + b"".join(PAIR.pack(pos - first, code) for pos, code in sorted(codes.items()))
    return first, last, DENSE + outcome_blocks.pack_codes(codes)[2]


def all_codes(first: int, packed: bytes) -> Iterator[tuple[int, int]]:
    """Each position of a packed span with its code; 0 where there is none, or nothing."""
    if packed[:1] == SPARSE:
        return ((first + offset, code) for offset, code in PAIR.iter_unpack(packed[1:]))
    return outcome_blocks.all_codes(first, packed[1:])


def code_at(first: int, packed: bytes, pos: int) -> int:
    """The code of one position in a packed span; 0 where it has none."""
    if packed[:1] == SPARSE:
        return next((code for at, code in all_codes(first, packed) if at == pos), 0)
    return outcome_blocks.code_at(first, packed[1:], pos)


def as_dense(first: int, packed: bytes) -> bytes:
    """Two bytes for each position, without the byte for the form."""
    return outcome_blocks.pack_codes(dict(all_codes(first, packed)))[2] if packed[:1] == SPARSE else packed[1:]
