"""Slots and shards: every user key belongs to exactly one shard, whatever their number, and always to the same slot."""

from __future__ import annotations

import pytest

from router.store.shards import SLOTS, slot_of, slots_of

COUNTS = (1, 2, 4, 8, 16, 32, 64)


@pytest.mark.parametrize("shards", COUNTS)
def test_every_slot_belongs_to_one_shard(shards: int) -> None:
    assert [slot for shard in range(shards) for slot in slots_of(shard, shards)] == list(range(SLOTS))


@pytest.mark.parametrize("shards", COUNTS[:-1])
def test_twice_as_many_shards_split_each_one_in_two(shards: int) -> None:
    for shard in range(shards):
        halves = [*slots_of(2 * shard, 2 * shards), *slots_of(2 * shard + 1, 2 * shards)]
        assert list(slots_of(shard, shards)) == halves


def test_the_slot_of_a_user_key_never_changes() -> None:
    assert [slot_of(key) for key in ("u:1", "a:x-7", "g:acme", "u:Zoë")] == [234, 45, 68, 192]


@pytest.mark.parametrize("shards", [0, 3, 12, 128])
def test_a_number_of_shards_that_is_no_power_of_two_up_to_64_is_refused(shards: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        slots_of(0, shards)
