"""Positions by a key: what stands there and what does not, whatever the number of positions."""

from __future__ import annotations

import random

from router.decide.position_index import PositionIndex


def test_it_agrees_with_sets_of_positions() -> None:
    chance, index, sets = random.Random(1), PositionIndex[str](), dict[str, set[int]]()
    for _ in range(2_000):
        key, pos = chance.choice("abc"), chance.randrange(4)
        if chance.random() < 0.5:
            index.add(key, pos)
            sets.setdefault(key, set()).add(pos)
        else:
            index.discard(key, pos)
            sets.get(key, set()).discard(pos)
        assert {one: index.of(one) for one in index} == {one: sorted(some) for one, some in sets.items() if some}
        assert [key in index for key in "abc"] == [bool(sets.get(key)) for key in "abc"]
