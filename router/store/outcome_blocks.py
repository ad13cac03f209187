"""Packed forms: the bitmap of positions ahead of a cursor, the outcome codes of a commit, and the attempts that delivered. Pure."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence

from router.store.rows import Tried

SPAN = 4_000
"""A receipt covers less than this many positions, so that a reader knows how far to look for one. A commit may settle events that are
further apart: it leaves several."""
CODE_BYTES = 2
ZERO = ord("0")
STATUS_BITS, DURATION_BITS, AGO_BITS = 10, 32, 19
"""Of a packed attempt, behind the bit that says that there is one. `ago`: ms from its answer to the commit."""
TRIED_HEAD = struct.Struct("<QH")
"""A packed attempt, and how many positions it delivered; two bytes for each of them follow."""


def pack_ahead(pos: int, ahead: Iterable[int]) -> bytes:
    """Positions above `pos` as a bitmap: bit i of the whole is position pos + 1 + i."""
    ahead = frozenset(ahead)
    last = max(ahead, default=pos)
    return pack_all_but(pos, last, ahead.symmetric_difference(range(pos + 1, last + 1)))


def pack_all_but(pos: int, last: int, missing: Iterable[int]) -> bytes:
    """The same of all positions above `pos` to the last one, but for these. Few are missing, so it takes a tenth of the time."""
    digits = bytearray(b"1") * (last - pos)  # one for each position, the last one first
    for position in missing:
        digits[last - position] = ZERO
    return int(digits or b"0", 2).to_bytes((len(digits) + 7) // 8, "little").rstrip(b"\0")


def unpack_ahead(pos: int, bitmap: bytes) -> set[int]:
    """The positions that `pack_ahead` packed."""
    bits = int.from_bytes(bitmap, "little")
    return {pos + 1 + i for i in range(bits.bit_length()) if bits >> i & 1}


def spans(codes: dict[int, int]) -> Iterator[dict[int, int]]:
    """These {position: code} in parts, each of positions that one receipt may cover."""
    first = min(codes)
    if max(codes) - first < SPAN:
        yield codes
        return
    parts: dict[int, dict[int, int]] = {}
    for position, code in codes.items():
        parts.setdefault((position - first) // SPAN, {})[position] = code
    yield from parts.values()


def pack_codes(codes: dict[int, int]) -> tuple[int, int, bytes]:
    """(first position, last position, two bytes a position) of a non-empty {position: code}; 0 where there is none."""
    first, last = min(codes), max(codes)
    numbers = array("H", bytes(CODE_BYTES * (last - first + 1)))
    for position, code in codes.items():
        numbers[position - first] = code
    if sys.byteorder == "big":
        numbers.byteswap()
    return first, last, numbers.tobytes()


def code_at(first: int, packed: bytes, pos: int) -> int:
    """The code of one position in a packed span; 0 where it has none."""
    at = CODE_BYTES * (pos - first)
    return int.from_bytes(packed[at : at + CODE_BYTES], "little")


def all_codes(first: int, packed: bytes) -> Iterator[tuple[int, int]]:
    """Each position of a packed span with its code."""
    return enumerate(struct.unpack(f"<{len(packed) // CODE_BYTES}H", packed), first)


def pack_tried(tried: Tried | None, committed_at: int) -> int:
    """An attempt in 62 bits; 0 where there is none. What is larger than its bits is cut to the largest number they hold."""
    if tried is None:
        return 0
    packed = min(max(0, committed_at - tried.at), (1 << AGO_BITS) - 1)
    packed = packed << DURATION_BITS | min(max(0, tried.duration_ms), (1 << DURATION_BITS) - 1)
    return (packed << STATUS_BITS | min(tried.status or 0, (1 << STATUS_BITS) - 1)) << 1 | 1


def unpack_tried(packed: int, committed_at: int) -> Tried | None:
    """The attempt that `pack_tried` packed."""
    if not packed:
        return None
    packed >>= 1
    status, packed = packed & ((1 << STATUS_BITS) - 1), packed >> STATUS_BITS
    duration_ms, ago = packed & ((1 << DURATION_BITS) - 1), packed >> DURATION_BITS
    return Tried(committed_at - ago, duration_ms, status or None)


def pack_all_tried(first: int, tried: Iterable[tuple[Tried, Sequence[int]]], committed_at: int) -> bytes:
    """The attempts of a commit, each with the positions it delivered, counted from `first` on: 10 bytes a request, and two an event."""
    parts = []
    for one, positions in tried:
        parts.append(TRIED_HEAD.pack(pack_tried(one, committed_at), len(positions)))
        parts.append(struct.pack(f"<{len(positions)}H", *[position - first for position in positions]))
    return b"".join(parts)


def tried_at(first: int, packed: bytes, pos: int, committed_at: int) -> Tried | None:
    """The attempt that delivered one position, of what `pack_all_tried` packed."""
    at = 0
    while at < len(packed):
        one, n = TRIED_HEAD.unpack_from(packed, at)
        at += TRIED_HEAD.size
        if pos - first in struct.unpack_from(f"<{n}H", packed, at):
            return unpack_tried(one, committed_at)
        at += 2 * n
    return None
