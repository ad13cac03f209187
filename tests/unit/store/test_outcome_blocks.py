"""Packed forms read back as what was packed, in the size they promise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.store.outcome_blocks import (
    CODE_BYTES,
    SPAN,
    code_at,
    pack_ahead,
    pack_all_but,
    pack_all_tried,
    pack_codes,
    pack_tried,
    spans,
    tried_at,
    unpack_ahead,
    unpack_tried,
)
from router.store.rows import Tried

AT = 1_767_000_000_000

positions = st.integers(min_value=0, max_value=2**40)


@given(positions, st.sets(st.integers(min_value=1, max_value=4000)))
def test_positions_ahead_read_back_as_packed(pos: int, offsets: set[int]) -> None:
    ahead = {pos + offset for offset in offsets}
    assert unpack_ahead(pos, pack_ahead(pos, ahead)) == ahead


@given(positions, st.sets(st.integers(min_value=1, max_value=4000)), st.integers(min_value=0, max_value=4000))
def test_all_positions_but_some_are_packed_like_those_that_are_left(pos: int, offsets: set[int], n: int) -> None:
    missing = {pos + offset for offset in offsets if offset <= n}
    packed = pack_all_but(pos, pos + n, missing)
    assert packed == pack_ahead(pos, {*range(pos + 1, pos + n + 1)} - missing)
    assert unpack_ahead(pos, packed) == {*range(pos + 1, pos + n + 1)} - missing


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


@given(st.dictionaries(st.integers(min_value=1, max_value=9 * SPAN), st.just(7), min_size=1))
def test_the_parts_of_a_commit_have_each_position_once_and_fit_a_receipt(codes: dict[int, int]) -> None:
    parts = list(spans(codes))
    assert sorted(position for part in parts for position in part) == sorted(codes)
    assert all(max(part) - min(part) < SPAN for part in parts)


@pytest.mark.parametrize("pos", [13, 14, 5000])
def test_a_position_behind_the_span_has_no_code(pos: int) -> None:
    first, _, packed = pack_codes({10: 1, 12: 2})
    assert code_at(first, packed, pos) == 0


attempts = st.builds(
    Tried,
    st.integers(min_value=AT - 500_000, max_value=AT),
    st.integers(min_value=0, max_value=2**32 - 1),
    st.none() | st.integers(min_value=100, max_value=999),
)


@given(attempts)
def test_an_attempt_reads_back_as_packed_from_a_number_that_sqlite_can_hold(tried: Tried) -> None:
    packed = pack_tried(tried, AT)
    assert 0 < packed < 2**63
    assert unpack_tried(packed, AT) == tried


def test_no_attempt_is_0() -> None:
    assert (pack_tried(None, AT), unpack_tried(0, AT)) == (0, None)


def test_an_attempt_that_is_out_of_all_bounds_is_cut_to_them() -> None:
    tried = unpack_tried(pack_tried(Tried(0, 2**40, 5000), AT), AT)
    assert tried == Tried(AT - 2**19 + 1, 2**32 - 1, 1023)
    assert unpack_tried(pack_tried(Tried(AT + 5, -1, None), AT), AT) == Tried(AT, 0, None), "a clock that ran back"


@given(st.lists(st.tuples(attempts, st.sets(st.integers(min_value=0, max_value=7_999), min_size=1)), max_size=5))
def test_the_attempts_of_a_commit_read_back_by_position_and_other_positions_have_none(
    made: list[tuple[Tried, set[int]]],
) -> None:
    wanted: dict[int, Tried] = {}
    for tried, offsets in made:
        wanted = {**{9 + offset: tried for offset in offsets}, **wanted}
    packed = pack_all_tried(9, [(tried, [9 + offset for offset in offsets]) for tried, offsets in made], AT)
    for pos in (9, 10, 8_008, *wanted):
        assert tried_at(9, packed, pos, AT) == wanted.get(pos)


def test_a_request_takes_10_bytes_and_each_of_its_events_2() -> None:
    assert len(pack_all_tried(1, [(Tried(AT, 30, 200), range(1, 51))], AT)) == 10 + 2 * 50
