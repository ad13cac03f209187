"""Everything that one destination commits at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from router.counts import Counts
from router.store.rows import (
    AttemptRow,
    DeadRow,
    GroupCallRow,
    LaneRow,
    ParkedOutcome,
    ParkedRow,
    ReplayRow,
    Status,
    Tried,
)


@dataclass
class CommitBatch:
    """Everything one destination commits at once: how far it is, and every row that changes with that.

    Positions in `settled` carry their outcome (state, reason). `late` are events settled after they had a row.
    """

    destination: str
    pos: int = 0
    ahead: bytes = b""  # positions above `pos` that are settled or have a row: see `pack_ahead`
    settled: dict[int, tuple[str, str]] = field(default_factory=dict)
    tried: list[tuple[Tried, Sequence[int]]] = field(default_factory=list)  # how these of them were delivered
    late: list[ParkedOutcome] = field(default_factory=list)
    park: dict[int, ParkedRow] = field(default_factory=dict)
    repark: dict[int, ParkedRow] = field(default_factory=dict)
    unpark: list[int] = field(default_factory=list)
    moves: list[tuple[str, str, str]] = field(default_factory=list)  # from key, to key, linked userId
    given: list[tuple[str, str]] = field(default_factory=list)  # user key, group as JSON: on all it holds
    lanes: dict[str, LaneRow | None] = field(default_factory=dict)  # None: the lane goes
    retries_due: bool = False  # all lanes whose retry is awaited are due now
    opened: dict[str, str] = field(default_factory=dict)  # needs that are met from now on: last lane done ("" = none)
    dead: list[DeadRow] = field(default_factory=list)
    undead: set[int] = field(default_factory=set)  # dead letters that go: replayed, dropped, too old
    attempts: list[AttemptRow] = field(default_factory=list)
    supplies: dict[int, GroupCallRow | None] = field(default_factory=dict)
    state: dict[str, bytes | None] = field(default_factory=dict)
    timers: dict[str, tuple[int, str] | None] = field(default_factory=dict)  # key: (due, user key)
    ledger: dict[str, int] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)  # what came to an end in it; for plots, the ledger is what adds up
    status: Status | None = None
    replay: ReplayRow | None = None
    answers: dict[int, tuple[bytes, bool]] = field(
        default_factory=dict
    )  # command: its answer as JSON, and whether it is done
    at: int = 0

    def count(self, name: str, n: int = 1) -> None:
        """Add to one of the ledger's counters."""
        self.ledger[name] = self.ledger.get(name, 0) + n
