"""Copies all of a source into a target: one table after the other, a slice at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from router.errors import CopyError
from router.store.copy.merging import Merging
from router.store.copy.ports import Head, Progress, Row, Source, Target
from router.store.copy.tables import REGULATION, TABLES, UNIT, Table
from router.store.regulation import Regulation
from router.store.rows import LogRow

LOG = "log"
STATES = ("delivered", "skipped", "filtered", "held", "retrying", "dead")
"""Of the seven fates; `queued` is what remains of the accepted events."""


class Copied(NamedTuple):
    """What was copied."""

    accepted: int  #: events, in all
    rows: Mapping[str, int]  #: by table; of the log the events that it still has
    ledger: Mapping[str, Mapping[str, int]]  #: by destination


async def copy(source: Source, target: Target, progress: Progress) -> Copied:
    """Copy everything. The target is whole when this returns, and not before. Raises CopyError."""
    head = await source.head()
    await target.begin(head)
    sent: dict[str, int] = {}
    bounds: list[int] = []
    units: list[Row] = []
    rows_of = source.rows if target.has_shards else Merging(source, head).rows

    async def send(table: Table) -> None:
        sent[table.name] = 0
        progress.begin(table.name, 0)
        async for rows in rows_of(table):
            if table is REGULATION:
                rows, found = _from_the_start(rows)
                bounds.extend(found)
            elif table is UNIT:
                units.extend(rows)
            await target.add(table, rows)
            sent[table.name] += len(rows)
            progress.at(sent[table.name])

    await send(REGULATION)
    sent[LOG] = await _send_log(source, target, head, sorted(bounds), progress)
    for table in TABLES:
        if table is not REGULATION:
            await send(table)
    await source.check_unused()
    progress.begin("checking", 0)
    await target.finish(head, sent)
    return Copied(head.pos, sent, dict(_counts(units, head)))


async def _send_log(source: Source, target: Target, head: Head, bounds: Sequence[int], progress: Progress) -> int:
    """Returns how many events that were."""
    count, last = 0, 0
    async for events in _dense(source.log(), head):
        if not count:
            progress.begin(LOG, head.pos - events[0].pos + 1)
        for part in _cut(events, bounds):
            await target.add_log(part)
        count, last = count + len(events), events[-1].pos
        progress.at(count)
    if count and last != head.pos:
        raise CopyError(
            f"the log ends with position {last}, and {head.pos} events were accepted: the source is damaged"
        )
    async for erased in source.erased():
        await target.add_erased(erased)
    return count


async def _dense(slices: AsyncIterator[Sequence[LogRow]], head: Head) -> AsyncIterator[Sequence[LogRow]]:
    """The same; an event that is missing would shift all that come behind it."""
    following = 0
    async for events in slices:
        first, last = events[0].pos, events[-1].pos
        if (following and first != following) or last - first + 1 != len(events) or last > head.pos:
            raise CopyError(
                f"the log has gaps between positions {following or first} and {last}: the source is damaged"
            )
        following = last + 1
        yield events


def _cut(events: Sequence[LogRow], bounds: Sequence[int]) -> Iterator[Sequence[LogRow]]:
    """Parts that end where a demand to forget ends: whoever erases looks through whole blocks, and newer events stay."""
    begin = 0
    first = events[0].pos
    for bound in bounds[bisect_right(bounds, first - 1) :]:
        end = bound - first + 1
        if begin < end < len(events):
            yield events[begin:end]
            begin = end
    yield events[begin:]


def _from_the_start(rows: Sequence[Row]) -> tuple[list[Row], list[int]]:
    """Regulations; those under way look through the log once more, since its blocks are others now. And where these end."""
    found: list[Row] = []
    bounds = []
    for id, created_at, job in rows:
        regulation = msgspec.json.decode(job, type=Regulation)
        if regulation.is_under_way:
            bounds.append(regulation.bound)
            regulation.pos = regulation.kept_pos = 0
            job = msgspec.json.encode(regulation)
        found.append((id, created_at, job))
    return found, bounds


def _counts(rows: Sequence[Row], head: Head) -> Iterator[tuple[str, dict[str, int]]]:
    """By destination, the counts of its shards together."""
    for name, group in groupby(sorted(rows, key=_destination), key=_destination):
        units = list(group)
        told = {state: sum(int(row[UNIT.place(state)]) for row in units) for state in STATES}
        told["queued"] = head.pos - min(row[UNIT.place("start")] for row in units) - sum(told.values())
        yield name, told


def _destination(row: Row) -> str:
    return str(row[UNIT.place("destination")])
