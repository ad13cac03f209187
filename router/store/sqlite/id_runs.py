"""Runs: the hashes of the message ids of a span of the log, sorted, each with its position. A run is written once, and goes as a whole.

A run lies in pieces, by the first bits of a hash. The same pieces of all runs of a generation are neighbours: an id is looked for in a whole
generation by reading a dozen pages, and in one run by reading one.
"""

from __future__ import annotations

import sqlite3
import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from router.store.rows import PART
from router.store.sqlite.bulk_insert import insert_many

RUN_BITS, PIECE_BITS = 6, 7
RUNS, PIECES = 1 << RUN_BITS, 1 << PIECE_BITS
"""Runs of a generation, and pieces of a run."""
HASH, ENTRY = 8, 12
"""Bytes of a hash, and of an id in a piece: all hashes, then for each how far its position is below the last one of the run."""


class Run(NamedTuple):
    """A row of `seen_run`."""

    number: int
    upto: int  #: its last position
    at: int  #: ms; none of its events was accepted later

    @property
    def generation(self) -> int:
        """Which one it belongs to."""
        return self.number >> RUN_BITS


Runs = Mapping[int, Run]
"""Those of one generation, by number, oldest first."""


def read(db: sqlite3.Connection) -> list[Runs]:
    """All generations, oldest first."""
    rows = db.execute("SELECT run, upto, at FROM seen_run WHERE part = ? ORDER BY run", (PART,)).fetchall()
    runs = [Run(*row) for row in rows]
    return [{run.number: run for run in some} for _, some in groupby(runs, key=lambda run: run.generation)]


def write(db: sqlite3.Connection, run: Run, hashes: Sequence[int], positions: Mapping[int, int]) -> None:
    """Store a run. `hashes`: sorted. `positions`: the position of each, at the most `run.upto`."""
    rows, begin, upto = [], 0, run.upto
    for piece in range(PIECES):
        end = bisect_left(hashes, (piece + 1 - PIECES // 2) << 64 - PIECE_BITS, begin)
        if begin < end:
            some = hashes[begin:end]
            below = [upto - positions[hashed] for hashed in some]
            rows.append((PART, _id(run.number, piece), struct.pack(f"<{len(some)}q{len(some)}I", *some, *below)))
        begin = end
    insert_many(db, "INSERT INTO seen_piece", rows)
    db.execute("INSERT INTO seen_run VALUES (?, ?, ?, ?)", (PART, *run))


def find(db: sqlite3.Connection, run: Run, hashed: int) -> int | None:
    """The position of a hash in a run."""
    row = db.execute("SELECT ids FROM seen_piece WHERE id = ?", (_id(run.number, _piece_of(hashed)),)).fetchone()
    return _position(row[0], run, hashed) if row else None


def find_all(db: sqlite3.Connection, generation: Runs, hashed: int) -> Iterator[tuple[Run, int]]:
    """The runs of a generation that have a hash, and its position in each, newest first."""
    first = min(generation) & -RUNS
    id = _id(first, _piece_of(hashed))
    rows = db.execute("SELECT id, ids FROM seen_piece WHERE id >= ? AND id < ? ORDER BY id DESC", (id, id + RUNS))
    for id, ids in rows.fetchall():
        run = generation.get(first | id & RUNS - 1)
        if run is not None and (position := _position(ids, run, hashed)) is not None:
            yield run, position


def newest(db: sqlite3.Connection, hashed: int) -> int | None:
    """The newest position of a hash in any run."""
    for generation in reversed(read(db)):
        for _, position in find_all(db, generation, hashed):
            return position
    return None


def entries(db: sqlite3.Connection, runs: Iterable[Run]) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """The hashes of each piece, sorted, and their positions."""
    for run in runs:
        for piece in range(PIECES):
            row = db.execute("SELECT ids FROM seen_piece WHERE id = ?", (_id(run.number, piece),)).fetchone()
            if row is not None:
                yield _unpacked(row[0], run)


def take_piece(db: sqlite3.Connection, generation: Runs) -> dict[int, int]:
    """Delete the first piece that the runs of a generation have; returns its hashes with their newest positions."""
    first = min(generation) & -RUNS
    bounds = (_id(first, 0), _id(first, PIECES - 1) + RUNS)
    (lowest,) = db.execute("SELECT min(id) FROM seen_piece WHERE id >= ? AND id < ?", bounds).fetchone()
    found: dict[int, int] = {}
    if lowest is not None:
        bounds = (lowest & -RUNS, (lowest & -RUNS) + RUNS)
        for id, ids in db.execute("SELECT id, ids FROM seen_piece WHERE id >= ? AND id < ? ORDER BY id", bounds):
            if run := generation.get(first | id & RUNS - 1):
                found.update(zip(*_unpacked(ids, run), strict=True))
        db.execute("DELETE FROM seen_piece WHERE id >= ? AND id < ?", bounds)
    return found


def drop(db: sqlite3.Connection, runs: Sequence[Run]) -> None:
    """Delete these, and the filters of generations that have no others."""
    pieces = [(_id(run.number, piece),) for run in runs for piece in range(PIECES)]
    db.executemany("DELETE FROM seen_piece WHERE id = ?", pieces)
    db.executemany("DELETE FROM seen_run WHERE run = ?", [(run.number,) for run in runs])
    db.execute("DELETE FROM seen_filter WHERE generation NOT IN (SELECT run >> ? FROM seen_run)", (RUN_BITS,))


def drop_trimmed(db: sqlite3.Connection, trimmed: int) -> None:
    """Delete the oldest run, if the log has none of its events any more."""
    sql = "SELECT run, upto, at FROM seen_run WHERE part = ? ORDER BY run LIMIT 1"
    row = db.execute(sql, (PART,)).fetchone()
    if row is not None and row[1] <= trimmed:
        drop(db, [Run(*row)])


def _id(run: int, piece: int) -> int:
    return (run >> RUN_BITS << PIECE_BITS | piece) << RUN_BITS | run & RUNS - 1


def _piece_of(hashed: int) -> int:
    """In which piece of a run a hash is: hashes are signed."""
    return (hashed >> 64 - PIECE_BITS) + PIECES // 2


def _unpacked(ids: bytes, run: Run) -> tuple[Sequence[int], Sequence[int]]:
    count = len(ids) // ENTRY
    values = struct.unpack(f"<{count}q{count}I", ids)
    return values[:count], [run.upto - below for below in values[count:]]


def _position(ids: bytes, run: Run, hashed: int) -> int | None:
    """What a piece says of a hash."""
    wanted, end = struct.pack("<q", hashed), len(ids) // ENTRY * HASH
    at = ids.find(wanted, 0, end)
    while at > 0 and at % HASH:  # the end of one hash and the beginning of the next
        at = ids.find(wanted, at + 1, end)
    if at < 0:
        return None
    (below,) = struct.unpack_from("<I", ids, end + at * (ENTRY - HASH) // HASH)
    return run.upto - int(below)
