"""The shards of a destination become one unit, for a store that has no shards: each event is settled there as it was at its shard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec

from router.errors import CopyError
from router.store.copy.ports import Head, Row, Source
from router.store.copy.tables import OPENING, REPLAY, UNIT, Table
from router.store.forgotten import slot_of_event
from router.store.outcome_blocks import pack_ahead
from router.store.rows import EVERY, ReplayRow
from router.store.shard_rows import ADDED, OF_ROWS, ended_replay, places_of, standing
from router.store.shards import Place, reshaped

SUMMED = (*ADDED, *OF_ROWS, "parked_bytes")


class Merging:
    """Of one copy. The units come first."""

    def __init__(self, source: Source, head: Head) -> None:
        self._source, self._head = source, head
        self._split: set[str] = set()  #: destinations of which there are several units

    async def rows(self, table: Table) -> AsyncIterator[Sequence[Row]]:
        """The rows of a table, as a store without shards has them. Raises CopyError."""
        if table not in (UNIT, REPLAY, OPENING):
            async for rows in self._source.rows(table):
                yield rows
            return
        found = [dict(zip(table.columns, row, strict=True)) async for rows in self._source.rows(table) for row in rows]
        by_destination = {name: list(group) for name, group in groupby(found, key=lambda row: row["destination"])}
        if table is UNIT:
            self._split = {name for name, units in by_destination.items() if len(units) > 1}
        for name, group in by_destination.items():
            merged = group
            if table is UNIT:
                merged = [await self._unit(group)]
            elif name in self._split:
                merged = [self._replay(group) if table is REPLAY else _opening(name)]
            yield [tuple(row.values()) for row in merged]

    async def _unit(self, units: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        [place] = reshaped(places_of(units), 1)
        ahead = place.ahead | await self._settled_beyond(place) if place.floors else place.ahead
        return {
            **standing(units),
            "shard": 0,
            "floors": b"",
            "pos": place.pos,
            "ahead": pack_ahead(place.pos, ahead),
            **{name: sum(unit[name] for unit in units) for name in SUMMED},
            **{name: max(unit[name] for unit in units) for name in ("epoch", "step", "clock")},
        }

    async def _settled_beyond(self, place: Place) -> set[int]:
        """The positions behind the cursor that floors say are settled: which those are only the events themselves tell."""
        of_slot = {slot: floor for floor in place.floors for slot in range(floor.first, floor.end)}
        last = max(max([floor.pos, *floor.ahead]) for floor in place.floors)
        found: set[int] = set()
        begins = self._head.pos + 1
        async for events in self._source.log(place.pos):
            begins = min(begins, events[0].pos)
            for event in events:
                floor = of_slot.get(slot_of_event(event))
                if event.pos > place.pos and floor is not None and floor.has(event.pos):
                    found.add(event.pos)
            if events[-1].pos >= last:
                break
        if begins > place.pos + 1:
            raise CopyError(
                "shards of a destination were away for longer than the retention: start a node that has it, so that they go on, and stop all nodes"
            )
        return found

    def _replay(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        jobs = [msgspec.json.decode(row["job"], type=ReplayRow) for row in rows]
        job = ended_replay(jobs, self._head.clock)
        told = {"job": msgspec.json.encode(job), "state": job.state, "pos": min(job.pos, job.groups_pos)}
        return {**rows[0], "shard": 0, "kind": job.kind, **told}


def _opening(destination: str) -> dict[str, Any]:
    """Every lane that waits is asked again."""
    return dict(zip(OPENING.columns, (destination, 0, EVERY, ""), strict=True))
