"""The clock of the database as that of a node."""

from __future__ import annotations

from router.store.postgres.database_time import LOOKS, DatabaseTime


class Machine:
    """Its clocks, in ns: one that nobody sets, and one that is wrong."""

    def __init__(self) -> None:
        self.base, self.wall = 1_000_000_000, 5
        self.time = DatabaseTime(lambda: self.base, lambda: self.wall)

    def look(self, trip_ns: int, database_us: int) -> None:
        asked_at = self.base
        self.base += trip_ns
        self.time.seen(asked_at, database_us)


def test_before_the_first_look_it_is_the_machines_own() -> None:
    assert Machine().time.now_ns() == 5


def test_it_is_the_databases_however_wrong_the_machine_is() -> None:
    machine = Machine()
    machine.look(2_000_000, 7_000_000)
    assert machine.time.now_ns() == 7_001_000_000, "half of the trip later"
    machine.wall += 3_600_000_000_000
    machine.base += 10
    assert machine.time.now_ns() == 7_001_000_010


def test_of_some_looks_the_quickest_counts() -> None:
    machine = Machine()
    machine.look(2_000, 7_000_000)
    at = machine.time.now_ns()
    machine.look(900_000_000, 7_100_000)
    assert machine.time.now_ns() == at + 900_000_000, "as the quick one said"
    for _ in range(LOOKS):
        machine.look(4_000_000, 20_000_000)
    assert machine.time.now_ns() == 20_002_000_000, "that one is too long ago"
