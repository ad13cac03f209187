"""What a store is: its records and what is asked of it. No SQL, connection or transaction crosses this line.

rows.py             the records, one field a line
commit_batch.py     everything that one destination commits at once
ports.py            what the router asks of a store, by who asks
folding.py          what a call changes in the directory
log_cache.py        the newest part of the log, in memory
outcome_blocks.py   outcomes, positions and the attempts that delivered, packed
from_thread.py      the same for an event loop of another thread
disk_space.py       what the disk has room for
sqlite/             the embedded store
"""

from __future__ import annotations

from router.store.commit_batch import CommitBatch
from router.store.ports import (
    Claim,
    Claims,
    DeadLetters,
    Directory,
    EventLog,
    Health,
    KeyedState,
    Lanes,
    OnStored,
    PersonalData,
    Queries,
    Replays,
    Sizes,
    Store,
)
from router.store.rows import (
    EVERY,
    ORDER_KEY_STEP,
    PART,
    AttemptRow,
    CursorRow,
    DeadLetterFilter,
    DeadRow,
    DirectorySnapshot,
    DirectoryUpdate,
    EventQuery,
    GroupCallRow,
    GroupProfile,
    LaneRow,
    LogRow,
    Membership,
    Opening,
    ParkedOutcome,
    ParkedRow,
    Problem,
    ReplayRow,
    Status,
    Tried,
    Unit,
    Waits,
    Written,
)

__all__ = [
    "EVERY",
    "ORDER_KEY_STEP",
    "PART",
    "AttemptRow",
    "Claim",
    "Claims",
    "CommitBatch",
    "CursorRow",
    "DeadLetterFilter",
    "DeadLetters",
    "DeadRow",
    "Directory",
    "DirectorySnapshot",
    "DirectoryUpdate",
    "EventLog",
    "EventQuery",
    "GroupCallRow",
    "GroupProfile",
    "Health",
    "KeyedState",
    "LaneRow",
    "Lanes",
    "LogRow",
    "Membership",
    "OnStored",
    "Opening",
    "ParkedOutcome",
    "ParkedRow",
    "PersonalData",
    "Problem",
    "Queries",
    "ReplayRow",
    "Replays",
    "Sizes",
    "Status",
    "Store",
    "Tried",
    "Unit",
    "Waits",
    "Written",
]
