"""Which units a node takes and gives back, so that each is with a node that may serve it, and all have about as many. Pure.

Every node decides for itself, from what all of them see in the database. Two that want the same unit are told apart there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from router.store.rows import Unit

STAY_S = 60.0
"""So long a unit stays with a node before it is given back to make all even."""
PATIENCE = 3
"""A unit that was seen without an owner so often is taken by any node: the one with the fewest may not be able to."""


class Seen(NamedTuple):
    """A unit as the database has it."""

    unit: Unit
    node: UUID | None  #: whose it is; None: nobody's
    owned_s: float = 0.0
    times_free: int = 0  #: how often in a row it was seen without an owner
    given_by: UUID | None = None  #: the node that has given it back: it stops


class Moves(NamedTuple):
    """What a node does next."""

    take: tuple[Unit, ...] = ()
    give_back: tuple[Unit, ...] = ()


def moves(me: UUID, live: Mapping[UUID, frozenset[str]], seen: Sequence[Seen]) -> Moves:
    """What this node does at this sign of life: it takes what nobody else may serve, and one more; it gives back what it may not serve, and
    one more where another one has fewer.

    Args:
        live: the nodes that give signs of life, and the destinations that each may serve.
    """
    owned = {node: sum(1 for one in seen if one.node == node) for node in live}
    take = tuple(_taken(me, live, seen, owned))
    return Moves(take, (*_not_ours(me, live, seen), *_too_many(me, live, seen, owned)))


def _taken(
    me: UUID, live: Mapping[UUID, frozenset[str]], seen: Sequence[Seen], owned: dict[UUID, int]
) -> Iterator[Unit]:
    has_taken = False
    for one in seen:
        eligible = [node for node, names in live.items() if one.unit.destination in names and node != one.given_by]
        if one.node is not None or me not in eligible:
            continue
        if len(eligible) > 1:
            is_next = owned[me] <= min(owned[node] for node in eligible) or one.times_free >= PATIENCE
            if has_taken or not is_next:
                continue
            has_taken = True
        owned[me] += 1
        yield one.unit


def _not_ours(me: UUID, live: Mapping[UUID, frozenset[str]], seen: Sequence[Seen]) -> Iterator[Unit]:
    for one in seen:
        if one.node == me and one.unit.destination not in live[me]:
            yield one.unit


def _too_many(
    me: UUID, live: Mapping[UUID, frozenset[str]], seen: Sequence[Seen], owned: Mapping[UUID, int]
) -> Sequence[Unit]:
    for one in seen:
        if one.node == me and one.owned_s >= STAY_S and one.unit.destination in live[me]:
            others = [owned[node] for node, names in live.items() if node != me and one.unit.destination in names]
            if others and owned[me] - min(others) > 1:
                return (one.unit,)
    return ()
