"""What settled events came to, from their own rows or from the receipts of the commits that settled them. However many are asked for, it
takes two trips."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from router.store.outcome_blocks import SPAN, tried_at, unpack_tried
from router.store.postgres.database import Connection
from router.store.postgres.receipt_codes import code_at
from router.store.rows import Tried

NEAR = 16
"""Positions that are no further apart are looked for in the same receipts."""

Ask = tuple[str, int]
"""A destination, and the position of an event."""

# OFFSET 0 and LIMIT: the planner goes by index for each row, and joins nothing.
LATE = (
    "SELECT a.destination, a.pos, o.code, o.at, o.tried FROM unnest($1::text[], $2::bigint[]) AS a (destination, pos) CROSS JOIN LATERAL"
    " (SELECT code, at, tried FROM outcome WHERE part = 0 AND destination = a.destination AND pos = a.pos LIMIT 1) o"
)
RECEIPTS = (
    "SELECT a.destination, a.low, a.high, r.from_pos, r.at, r.codes, r.tried"
    " FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS a (destination, low, high) CROSS JOIN LATERAL"
    " (SELECT from_pos, at, codes, tried FROM receipt WHERE part = 0 AND destination = a.destination"
    " AND to_pos BETWEEN a.low AND a.high + $4::bigint AND from_pos <= a.high OFFSET 0) r"
)


class Settled(NamedTuple):
    """One event at one destination."""

    code: int
    at: int  #: ms: when it was stored
    first: int  #: of a receipt: its first position
    packed: int | bytes  #: the attempt that is packed beside it; of a receipt those of all its events

    def tried(self, pos: int) -> Tried | None:
        """That attempt."""
        if isinstance(self.packed, int):
            return unpack_tried(self.packed, self.at)
        return tried_at(self.first, self.packed, pos, self.at)


async def outcomes_of(connection: Connection, asks: Collection[Ask]) -> dict[Ask, Settled]:
    """Those of these that are settled."""
    if not asks:
        return {}
    found: dict[Ask, Settled] = {}
    for destination, pos, code, at, packed in await connection.fetch(LATE, *columns(asks)):
        found[destination, pos] = Settled(code, at, 0, packed)
    left = [ask for ask in asks if ask not in found]
    stretches = list(_stretches(left))
    if not stretches:
        return found
    of_stretch = dict(stretches)
    names, lows, highs = zip(*of_stretch, strict=True)
    for destination, low, high, first, at, codes, tried in await connection.fetch(
        RECEIPTS, list(names), list(lows), list(highs), SPAN
    ):
        for pos in of_stretch[destination, low, high]:
            if pos >= first and (code := code_at(first, codes, pos)):
                found[destination, pos] = Settled(code, at, first, tried)
    return found


def columns(asks: Collection[Ask]) -> tuple[list[str], list[int]]:
    """These as two arrays."""
    return [destination for destination, _ in asks], [pos for _, pos in asks]


def _stretches(asks: Collection[Ask]) -> Iterator[tuple[tuple[str, int, int], list[int]]]:
    """Positions of a destination that stand near each other, with the first and the last of them."""
    run: list[int] = []
    of = ""
    for destination, pos in sorted(asks):
        if run and (destination != of or pos - run[-1] > NEAR):
            yield (of, run[0], run[-1]), run
            run = []
        of = destination
        run.append(pos)
    if run:
        yield (of, run[0], run[-1]), run
