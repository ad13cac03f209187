"""A filter of message ids misses none that is in it, and finds few that are not."""

from __future__ import annotations

import sys
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.store.sqlite.id_filter import IdFilter, asked

HASHES = st.lists(st.integers(min_value=-(2**63), max_value=2**63 - 1), max_size=50)


def suspects(filter: IdFilter, hashes: list[int]) -> list[int]:
    return filter.suspects(hashes, asked(hashes))


@settings(max_examples=20)
@given(HASHES, HASHES)
def test_whatever_was_added_is_found_also_when_it_was_stored(first: list[int], second: list[int]) -> None:
    made = IdFilter()
    made.add(first)
    read = IdFilter(made.to_bytes())
    read.add(second)
    assert suspects(read, [*first, *second]) == [*first, *second]
    assert suspects(made, first) == first


def test_hardly_any_id_that_is_new_is_found_among_a_hundred_thousand() -> None:
    filter, drawn = IdFilter(), Random(1)
    filter.add([drawn.getrandbits(64) - 2**63 for _ in range(100_000)])
    assert len(suspects(filter, [drawn.getrandbits(64) - 2**63 for _ in range(20_000)])) < 3


def test_a_filter_is_stored_alike_on_machines_of_either_byte_order(monkeypatch: pytest.MonkeyPatch) -> None:
    filter = IdFilter()
    filter.add([1 << 10])
    stored = filter.to_bytes()
    monkeypatch.setattr(sys, "byteorder", {"little": "big", "big": "little"}[sys.byteorder])
    assert filter.to_bytes() != stored, "its words are turned round where the machine's are"
    assert suspects(IdFilter(filter.to_bytes()), [1 << 10]) == [1 << 10]
