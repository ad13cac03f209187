"""Parked rows and dead letters, each with its event: from the log, from what outlived it, or from what a timer returned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, TypeVar

from router.store.postgres import kept_events
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.scope import Scope
from router.store.rows import DeadLetterFilter, DeadRow, LogRow, ParkedRow, Slice

HERE = "part = 0 AND destination = $1"
LETTERS_SLICE_BYTES = 1_000_000
EVENTS_AT_ONCE = 16
"""Rows whose events are looked up together."""

PARKED = (
    "SELECT n, pos, user_key, queue, place, state, reason, parked_at, linked, given, CASE WHEN before < $6 THEN items END AS items, made_by,"
    " attempts, first_at, origin, before FROM unnest($2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY AS want (its_user, its_queue, behind, n)"
    " CROSS JOIN LATERAL (SELECT *, coalesce(sum(octet_length(items)) OVER (ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"
    f" AS before FROM parked WHERE {HERE} AND user_key = its_user AND queue = its_queue AND place > behind ORDER BY place LIMIT $5) first"
    " ORDER BY n, place"
)
"""`before`: bytes of the items of the rows before it in its queue. Those beyond the bytes in $6 come without their items, and are read later."""
DEAD = "SELECT pos, at, user_key, reason, detail, linked, items, made_by, attempts, again FROM dead"

R = TypeVar("R")


class Facts(NamedTuple):
    """What a row takes from its event."""

    received_at: int = 0
    source: str = ""
    type: str = ""
    message_id: str = ""
    body: bytes = b""


NOTHING = Facts()
"""Of an event that is gone."""


async def events_of(
    connection: Connection, blocks: Blocks, destination: str, positions: Sequence[int]
) -> dict[int, Facts]:
    """The events at these positions, those that timers returned (below 0) too."""
    found = {
        pos: Facts(row.received_at, row.source, row.type, row.message_id, row.body)
        for pos, row in (await accepted_at(connection, blocks, [pos for pos in positions if pos > 0])).items()
    }
    if woken := [pos for pos in positions if pos < 0]:
        sql = f"SELECT pos, received_at, source, type, message_id, body FROM woken WHERE {HERE} AND pos = ANY($2::bigint[])"
        found |= {pos: Facts(*facts) for pos, *facts in await connection.fetch(sql, destination, woken)}
    return found


async def accepted_at(connection: Connection, blocks: Blocks, positions: Collection[int]) -> dict[int, LogRow]:
    """Accepted events, as long as anything is kept of them: in the log first, as what leaves it stands in `kept` from then on."""
    found = await blocks.at(connection, positions)
    return found | await kept_events.at(connection, [pos for pos in positions if pos not in found])


async def parked(
    connection: Connection, blocks: Blocks, destination: str, wants: Sequence[tuple[str, str, int]], most: Slice
) -> list[tuple[list[ParkedRow], bool]]:
    """For each (user key, queue, place): rows behind that place, in order, one at least, and whether there may be more. Where those of the
    first ones take all there is room for, the others are left out."""
    found: list[tuple[list[ParkedRow], bool]] = []
    size = 0
    at_once = max(1, most.bytes_in_all // most.bytes)
    for start in range(0, len(wants), at_once):
        some = wants[start : start + at_once]
        columns = [list(column) for column in zip(*some, strict=True)]
        queues: list[list[Any]] = [[] for _ in some]
        for record in await connection.fetch(PARKED, destination, *columns, most.rows, most.bytes):
            queues[record["n"] - 1].append(record)
        whole = [[record for record in queue if record["before"] < most.bytes] for queue in queues]
        events = Lookups(connection, blocks, destination, [_position(record) for queue in whole for record in queue])
        for queue, records in zip(queues, whole, strict=True):
            rows = await _filled(events, records, _position, parked_of, most.bytes)
            found.append((rows, len(rows) < len(queue) or len(queue) == most.rows))
            size += sum([len(row.body) + len(row.items or b"") for row in rows])
            if size >= most.bytes_in_all:
                return found
    return found


def _position(record: Any) -> int:
    """Where the event of a parked row is."""
    return int(record["origin"] or record["pos"])


class Lookups:
    """Looks events up in the order in which they will be asked for, some at a time. Those that nobody asks for may be passed over."""

    def __init__(self, connection: Connection, blocks: Blocks, destination: str, positions: Sequence[int]) -> None:
        self._connection, self._blocks, self._destination = connection, blocks, destination
        self._positions = positions
        self._next = 0  #: of `_positions`: those before it were looked up
        self._found: dict[int, Facts] = {}  #: of the last of these

    async def of(self, pos: int) -> Facts:
        """The event at one of the positions."""
        while pos not in self._found:
            some = self._positions[self._next : self._next + EVENTS_AT_ONCE]
            self._next += len(some)
            events = await events_of(self._connection, self._blocks, self._destination, some)
            self._found = {one: events.get(one, NOTHING) for one in some}
        return self._found[pos]


async def _filled(
    events: Lookups, records: Sequence[Any], position: Callable[[Any], int], make: Callable[[Any, Facts], R], room: int
) -> list[R]:
    """Rows with their events, up to about this many bytes; at least one if there is any."""
    rows: list[R] = []
    for record in records:
        facts = await events.of(position(record))
        room -= len(facts.body) + len(record["items"] or b"")
        if rows and room < 0:
            break
        rows.append(make(record, facts))
    return rows


def parked_of(r: Any, facts: Facts) -> ParkedRow:
    """A parked row, put together."""
    return ParkedRow(
        r["pos"], r["user_key"], r["queue"], r["place"], r["state"], r["reason"], r["parked_at"], facts.received_at,
        facts.source, facts.type, facts.message_id, r["linked"], r["given"], facts.body, r["items"], r["made_by"],
        r["attempts"], r["first_at"], r["origin"],
    )  # fmt: skip


def dead_of(r: Any, facts: Facts) -> DeadRow:
    """A dead letter, put together."""
    return DeadRow(
        r["pos"], r["at"], r["user_key"], r["reason"], r["detail"], facts.received_at, facts.source, facts.type,
        facts.message_id, r["linked"], facts.body, r["items"], r["made_by"], r["attempts"], bool(r["again"]),
    )  # fmt: skip


async def letters(
    connection: Connection, blocks: Blocks, scope: Scope, which: DeadLetterFilter, after: int, limit: int
) -> list[DeadRow]:
    """Dead letters behind a position, up to a count and about a megabyte."""
    where, values = chosen(scope, which)
    records = await connection.fetch(f"{DEAD} WHERE {where} AND pos > $5 ORDER BY pos LIMIT $6", *values, after, limit)
    return await dead_rows(connection, blocks, scope.destination, records)


async def dead_rows(connection: Connection, blocks: Blocks, destination: str, records: Sequence[Any]) -> list[DeadRow]:
    """These records of `DEAD` as rows."""
    positions = [int(record["pos"]) for record in records]
    events = Lookups(connection, blocks, destination, positions)
    return await _filled(events, records, lambda record: int(record["pos"]), dead_of, LETTERS_SLICE_BYTES)


def chosen(scope: Scope, which: DeadLetterFilter) -> tuple[str, tuple[object, ...]]:
    """The condition for dead letters of this kind, and its values, $1 to $4."""
    where = f"{scope.here} AND at >= $2 AND at < $3 AND ($4::text IS NULL OR reason = $4)"
    return where, (scope.destination, which.since, which.until, which.reason)


async def count_letters(connection: Connection, scope: Scope, which: DeadLetterFilter) -> int:
    """How many dead letters there are of this kind."""
    where, values = chosen(scope, which)
    n: int = await connection.fetchval(f"SELECT count(*) FROM dead WHERE {where}", *values)
    return n


async def oldest_letters(connection: Connection, scope: Scope, limit: int) -> list[tuple[int, int, int]]:
    """The dead letters that died first: (position, when, bytes)."""
    rows = await connection.fetch(
        f"SELECT pos, at, size FROM dead WHERE {scope.here} ORDER BY at LIMIT $2", scope.destination, limit
    )
    return [(row[0], row[1], row[2]) for row in rows]
