"""What one node at a time does for all: it has it by a lease, and whoever lost it changes nothing any more."""

from __future__ import annotations

import pytest

from router.errors import StoreError
from tests.contract.node_case import Among

LAPSE = "UPDATE duty SET expires = clock_timestamp() - interval '1 ms'"


async def test_one_node_tells_of_troubles_and_another_one_when_it_is_gone(two: tuple[Among, Among]) -> None:
    first, second = two
    assert await first.notices.are_ours()
    assert not await second.notices.are_ours()
    await first.notices.write(b"told")
    await first.execute(LAPSE)
    assert await second.notices.are_ours()
    assert await second.notices.read() == b"told"
    with pytest.raises(StoreError, match="another node tells of troubles by now"):
        await first.notices.write(b"stale")
    assert not await first.notices.are_ours()
    assert await second.notices.read() == b"told"


async def test_a_node_that_lapsed_goes_on_where_nobody_took_its_duty(two: tuple[Among, Among]) -> None:
    first, second = two
    assert await first.notices.are_ours()
    await first.execute(LAPSE)
    assert await first.notices.are_ours()
    assert not await second.notices.are_ours(), "it was renewed"


async def test_what_is_given_back_another_node_has_at_once(two: tuple[Among, Among]) -> None:
    first, second = two
    assert await first.notices.are_ours()
    await first.notices.give_back()
    assert await second.notices.are_ours()
