"""Runs of message ids say of each hash where it stands, and of no other one anything."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from router.store.sqlite import id_runs
from router.store.sqlite.id_runs import PIECES, RUNS, Run
from router.store.sqlite.migrations import migrate


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, Path("unused"), 0)
        yield db


def written(db: sqlite3.Connection, number: int, positions: dict[int, int]) -> Run:
    run = Run(number, max(positions.values()), 7)
    id_runs.write(db, run, sorted(positions), positions)
    return run


def drawn(n: int, first: int, seed: int = 1) -> dict[int, int]:
    random = Random(seed)
    return {random.getrandbits(64) - 2**63: first + i for i in range(n)}


def test_each_hash_is_found_with_its_position_and_no_other_one_is(db: sqlite3.Connection) -> None:
    ids = drawn(2000, 5) | {-(2**63): 3, 2**63 - 1: 4, 0: 2, -1: 1}
    run = written(db, 3, ids)
    assert {hashed: id_runs.find(db, run, hashed) for hashed in ids} == ids
    assert [id_runs.newest(db, hashed) for hashed in drawn(50, 0, seed=2)] == [None] * 50
    read: dict[int, int] = {}
    for hashes, positions in id_runs.entries(db, [run]):
        assert list(hashes) == sorted(hashes)
        read |= dict(zip(hashes, positions, strict=True))
    assert read == ids


def test_bytes_of_two_hashes_are_not_taken_for_one(db: sqlite3.Connection) -> None:
    first, second = 0x0000000011111111, 0x0000000022222222
    both = struct.pack("<qq", first, second)
    [between] = struct.unpack("<q", both[4:12])
    assert between >> 57 == 0b0010001, "it would be looked for elsewhere; so the piece of the two is moved there"
    run = written(db, 0, {first: 1, second: 2})
    [(ids,)] = db.execute("SELECT ids FROM seen_piece").fetchall()
    piece = (between >> 57) + PIECES // 2
    db.execute("UPDATE seen_piece SET id = ?", (piece * RUNS,))
    assert between.to_bytes(8, "little") in ids
    assert id_runs.find(db, run, between) is None


def test_the_runs_of_a_generation_are_read_newest_first(db: sqlite3.Connection) -> None:
    written(db, RUNS, drawn(500, 1000) | {42: 1})
    written(db, RUNS + 1, drawn(500, 2000) | {42: 2})
    written(db, RUNS + 3, {42: 3})
    written(db, 2 * RUNS, {43: 4})
    before, generation = id_runs.read(db)[0], id_runs.read(db)[1]
    assert [(run.number, position) for run, position in id_runs.find_all(db, before, 42)] == [
        (RUNS + 3, 3),
        (RUNS + 1, 2),
        (RUNS, 1),
    ]
    assert list(id_runs.find_all(db, generation, 42)) == []
    assert (id_runs.newest(db, 42), id_runs.newest(db, 43)) == (3, 4)


def test_a_generation_is_taken_away_piece_by_piece_with_the_newest_positions(db: sqlite3.Connection) -> None:
    old, new = drawn(300, 1), drawn(300, 1001)  # the same hashes
    written(db, 0, old | {42: 500})
    written(db, 1, new)
    written(db, RUNS, {42: 2000})
    generation = id_runs.read(db)[0]
    taken: dict[int, int] = {}
    while some := id_runs.take_piece(db, generation):
        assert len(taken.keys() | some.keys()) == len(taken) + len(some)
        taken |= some
    assert taken == new | {42: 500}
    assert id_runs.newest(db, 42) == 2000, "of another generation"


def test_the_oldest_run_goes_when_its_last_event_is_trimmed_and_the_filter_with_the_last_run(
    db: sqlite3.Connection,
) -> None:
    for number, pos in ((0, 10), (1, 20), (RUNS, 30)):
        written(db, number, {pos: pos})
    for generation in (0, 1):
        db.execute("INSERT INTO seen_filter VALUES (0, ?, 0, x'')", (generation,))
    left = []
    for trimmed in (9, 10, 25, 25, 30):
        id_runs.drop_trimmed(db, trimmed)
        runs = [run.upto for generation in id_runs.read(db) for run in generation.values()]
        (pieces,) = db.execute("SELECT count(*) FROM seen_piece").fetchone()
        filters = [n for (n,) in db.execute("SELECT generation FROM seen_filter")]
        assert pieces == len(runs)
        left.append((runs, filters))
    assert left == [
        ([10, 20, 30], [0, 1]),
        ([20, 30], [0, 1]),
        ([30], [1]),
        ([30], [1]),
        ([], []),
    ]
