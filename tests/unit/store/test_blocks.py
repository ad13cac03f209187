"""Blocks: what is packed comes back with its positions, and within the block's own time."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import StoreError
from router.event import Call
from router.store.blocks import PLAIN, ZSTD, pack, positions, unpack


def call(n: int, at: int = 5, body: bytes = b"{}") -> Call:
    return Call("web", "track", f"m{n}", f"u:{n}", at, body)


def bitmap(refused: list[bool]) -> bytes:
    """As the database makes it; empty where nothing was refused."""
    bits = sum(1 << k for k, is_refused in enumerate(refused) if is_refused)
    return bits.to_bytes((len(refused) + 7) // 8, "little") if bits else b""


def test_events_come_back_in_order_from_the_first_position_on() -> None:
    calls = [call(n, body=b"x" * n) for n in range(3)]
    rows = unpack(7, 0, 9, b"", pack(calls))
    assert [(row.pos, row.message_id, row.user_key, row.body) for row in rows] == [
        (7 + n, f"m{n}", f"u:{n}", b"x" * n) for n in range(3)
    ]


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_what_was_refused_has_no_position(refused: list[bool]) -> None:
    calls = [call(n) for n in range(len(refused))]
    dup = bitmap(refused)
    told = positions(len(calls), 11, dup)
    rows = unpack(11, 0, 9, dup, pack(calls))
    assert [bool(pos) for pos in told] == [not one for one in refused]
    assert [row.pos for row in rows] == [pos for pos in told if pos] == list(range(11, 11 + refused.count(False)))
    assert [row.message_id for row in rows] == [f"m{n}" for n, one in enumerate(refused) if not one]


def test_no_event_was_received_before_the_block_began_nor_after_it_ended() -> None:
    rows = unpack(1, 10, 20, b"", pack([call(1, at=3), call(2, at=15), call(3, at=99)]))
    assert [row.received_at for row in rows] == [10, 15, 20]


def test_what_does_not_become_smaller_stays_plain() -> None:
    assert pack([call(1, body=b"same " * 500)])[0] == ZSTD
    noise = call(1, body=os.urandom(500))
    assert pack([noise])[0] == PLAIN
    assert unpack(1, 0, 9, b"", pack([noise]))[0].body == noise.body


def test_a_block_that_a_newer_version_packed_is_refused_by_its_position() -> None:
    with pytest.raises(StoreError, match=r"position 12 .* \(code 9\)"):
        unpack(12, 0, 9, b"", b"\x09...")


def test_a_call_that_is_no_text_cannot_be_packed() -> None:
    with pytest.raises(UnicodeEncodeError):
        pack([Call("web", "track", "\ud800", "u:1", 5, b"{}")])
