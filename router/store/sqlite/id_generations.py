"""The message ids of the dedupe window that are in runs, with a filter for each generation of these: most ids that are asked for are new,
and for them no page is read. Lives in the writing thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence

from router.store.rows import PART
from router.store.sqlite import id_runs
from router.store.sqlite.bulk_insert import insert_many
from router.store.sqlite.id_filter import IdFilter, asked
from router.store.sqlite.id_runs import Run, Runs

KEPT = 8
"""Generations of a window that have a filter in memory, of 4 MB each. Of more, the oldest moves into the table `seen`, which is asked for every id."""
STORED_EVERY = 16
"""Runs after which a filter is stored. A start adds those behind it, in 6 ms each."""

IsInside = Callable[[int], bool]
"""Whether the event at a position was accepted inside the window."""


class _Generation:
    """One that may have ids of the window."""

    def __init__(self, runs: Runs, filter: IdFilter) -> None:
        self.runs, self.filter = (
            dict(runs),
            filter,
        )  # the filter may have more: ids of runs that were dropped or rolled back
        self.at = max((run.at for run in runs.values()), default=0)  #: none of its events was accepted later

    def add(self, run: Run, hashes: Sequence[int]) -> None:
        self.runs[run.number] = run
        self.at = max(self.at, run.at)
        self.filter.add(hashes)


class IdGenerations:
    """All runs whose newest event may be inside the window."""

    def __init__(self) -> None:
        self._generations: dict[int, _Generation] = {}  #: by number, oldest first; always the newest one, which goes on
        self._next = 0  #: the number of the next run
        self._hit: Run | None = None  #: where an id was found last: those of a request that comes again are in one run
        self._to_move = 0  #: ids that are to move into `seen`

    def load(self, db: sqlite3.Connection, since_ms: int) -> None:
        """Read what is stored: at the start, and after a rollback. `since_ms`: where the window begins, or before."""
        known, self._generations, self._next, self._hit = self._generations, {}, 0, None
        stored = id_runs.read(db)
        for runs in stored:
            self._next = max(runs) + 1
            number = runs[max(runs)].generation
            if runs is stored[-1] or max(run.at for run in runs.values()) > since_ms:
                filter = known[number].filter if number in known else _stored_filter(db, number, runs)
                self._generations[number] = _Generation(runs, filter)

    def add(self, db: sqlite3.Connection, positions: Mapping[int, int], at_ms: int, since_ms: int) -> int:
        """Store hashes with their positions as a run. Returns the highest position.

        Args:
            at_ms: none of the events was accepted later.
            since_ms: what was accepted before is not asked for any more.
        """
        hashes, upto = sorted(positions), max(positions.values())
        run = Run(self._next, upto, at_ms)
        self._next += 1
        id_runs.write(db, run, hashes, positions)
        if run.generation not in self._generations:
            asked_for = {number: one for number, one in self._generations.items() if one.at > since_ms}
            self._generations = {**asked_for, run.generation: _Generation({}, IdFilter())}
        generation = self._generations[run.generation]
        generation.add(run, hashes)
        if self._next % STORED_EVERY == 0:
            values = (PART, run.generation, run.number, generation.filter.to_bytes())
            db.execute("INSERT OR REPLACE INTO seen_filter VALUES (?, ?, ?, ?)", values)
        return upto

    def taken(self, db: sqlite3.Connection, hashes: Sequence[int], since_ms: int, is_inside: IsInside) -> set[int]:
        """Which of these were accepted inside the window, as far as runs know."""
        generations = [one for one in self._generations.values() if one.at > since_ms]
        places = asked(hashes) if generations else []
        return {
            hashed
            for one in generations
            for hashed in one.filter.suspects(hashes, places)
            if self._is_taken(db, one.runs, hashed, is_inside)
        }

    def _is_taken(self, db: sqlite3.Connection, runs: Runs, hashed: int, is_inside: IsInside) -> bool:
        if self._hit is not None and self._hit.number in runs:
            position = id_runs.find(db, self._hit, hashed)
            if position is not None and is_inside(position):
                return True
        for run, position in id_runs.find_all(db, runs, hashed):
            if is_inside(position):
                self._hit = run
                return True
        return False

    def move_on(self, db: sqlite3.Connection, appended: int) -> bool:
        """Where more generations are asked than are kept: move the oldest one into `seen`, piece by piece, two ids for each that was appended.
        Returns whether any has moved."""
        if len(self._generations) <= KEPT:
            return False
        self._to_move += 2 * appended
        number, oldest = next(iter(self._generations.items()))
        has_moved = False
        while self._to_move > 0:
            moved = id_runs.take_piece(db, oldest.runs)
            if not moved:
                id_runs.drop(db, list(oldest.runs.values()))
                del self._generations[number]
                break
            put_into_table(db, moved)
            self._to_move -= len(moved)
            has_moved = True
        return has_moved


def put_into_table(db: sqlite3.Connection, positions: Mapping[int, int]) -> None:
    """Store hashes in `seen`, each with its newest position."""
    newest = " ON CONFLICT (hash) DO UPDATE SET pos = max(pos, excluded.pos)"
    insert_many(db, "INSERT INTO seen", [(PART, hashed, positions[hashed]) for hashed in sorted(positions)], newest)


def _stored_filter(db: sqlite3.Connection, number: int, runs: Runs) -> IdFilter:
    """The filter of a generation. What is not in the stored one yet is read."""
    sql = "SELECT run, words FROM seen_filter WHERE generation = ?"
    upto, words = db.execute(sql, (number,)).fetchone() or (-1, None)
    found = IdFilter(words)
    for hashes, _ in id_runs.entries(db, [run for run in runs.values() if run.number > upto]):
        found.add(hashes)
    return found
