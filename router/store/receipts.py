"""Packed forms: the bitmap of positions ahead of a cursor, and the outcome codes of a commit. Pure."""

from __future__ import annotations

from collections.abc import Iterable

CODE_BYTES = 2


def pack_ahead(pos: int, ahead: Iterable[int]) -> bytes:
    """Positions above `pos` as a bitmap: bit i of the whole is position pos + 1 + i."""
    bits = 0
    for position in ahead:
        bits |= 1 << (position - pos - 1)
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def unpack_ahead(pos: int, bitmap: bytes) -> set[int]:
    """The positions that `pack_ahead` packed."""
    bits = int.from_bytes(bitmap, "little")
    return {pos + 1 + i for i in range(bits.bit_length()) if bits >> i & 1}


def pack_codes(codes: dict[int, int]) -> tuple[int, int, bytes]:
    """(first position, last position, two bytes a position) of a non-empty {position: code}; 0 where there is none."""
    first, last = min(codes), max(codes)
    packed = bytearray(CODE_BYTES * (last - first + 1))
    for position, code in codes.items():
        at = CODE_BYTES * (position - first)
        packed[at : at + CODE_BYTES] = code.to_bytes(CODE_BYTES, "little")
    return first, last, bytes(packed)


def code_at(first: int, packed: bytes, pos: int) -> int:
    """The code of one position in a packed span; 0 where it has none."""
    at = CODE_BYTES * (pos - first)
    return int.from_bytes(packed[at : at + CODE_BYTES], "little")
