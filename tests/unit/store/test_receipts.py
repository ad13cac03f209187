"""Packed forms read back as what was packed, in the size they promise."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.store.receipts import CODE_BYTES, code_at, pack_ahead, pack_codes, unpack_ahead

positions = st.integers(min_value=0, max_value=2**40)


@settings(deadline=None)
@given(positions, st.sets(st.integers(min_value=1, max_value=4000)))
def test_positions_ahead_read_back_as_packed(pos: int, offsets: set[int]) -> None:
    ahead = {pos + offset for offset in offsets}
    assert unpack_ahead(pos, pack_ahead(pos, ahead)) == ahead


def test_nothing_ahead_takes_no_room() -> None:
    assert pack_ahead(7, ()) == b""


def test_a_bitmap_takes_a_bit_a_position() -> None:
    assert len(pack_ahead(100, {101, 2100})) == 250


@given(
    st.dictionaries(st.integers(min_value=1, max_value=3000), st.integers(min_value=1, max_value=65_535), min_size=1)
)
def test_outcome_codes_read_back_as_packed_and_other_positions_have_none(codes: dict[int, int]) -> None:
    first, last, packed = pack_codes(codes)
    assert (first, last) == (min(codes), max(codes))
    assert len(packed) == CODE_BYTES * (last - first + 1)
    for pos in range(first, last + 1):
        assert code_at(first, packed, pos) == codes.get(pos, 0)


@pytest.mark.parametrize("pos", [13, 14, 5000])
def test_a_position_behind_the_span_has_no_code(pos: int) -> None:
    first, _, packed = pack_codes({10: 1, 12: 2})
    assert code_at(first, packed, pos) == 0
