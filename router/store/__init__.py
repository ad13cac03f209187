"""What a store is: its records and what is asked of it. No SQL, connection or transaction crosses this line.

rows.py             the records, one field a line
cluster_rows.py     the nodes that share a store
commit_batch.py     everything that one destination commits at once
fence.py            what a commit compares before it stores anything
pending.py          what waits to be written
shards.py           which events belong to which shard of a destination
shard_rows.py       what is stored of shards
shard_states.py     how the shards of a destination are, for each of them
ports/              what the router asks of a store, by who asks
folding.py          what a call changes in the directory
append_intake.py    what waits for the writer to append it
append_counts.py    what the appends of each source came to
blocks.py           a part of the log, packed
keyed_hash.py       the hash of a message id
fate_words.py       what is said of an event at a destination
ledger_check.py     whether the counts of a destination agree with its rows
ledger_words.py     how the counts of a destination are told
event_words.py      what a search reads of an event, and how it is told
search_bounds.py    how far a search looks
library_counts.py   which libraries sent the events of a source
preferences.py      what is kept of a user's consent
violation_kinds.py  kinds of violations of tracking plans
log_cache.py        the newest part of the log, in memory
regulation.py       a demand to forget people or groups, and how far it is
regulation_begun.py what is recorded when it is taken
forget_state.py     which keyed state of a plugin is a person's
forgotten.py        what is left of an event whose person or group was forgotten
names_in_texts.py   whether a text names one of them
suppressions.py     whose calls are not accepted
outcome_blocks.py   outcomes, positions and the attempts that delivered, packed
from_thread.py      the same for an event loop of another thread
disk_space.py       what the disk has room for
sqlite/             the embedded store
postgres/           the shared store
copy/               copies a store into a new one, between the two
"""

from __future__ import annotations

from router.store.cluster_rows import ClusterRows, ConfiguredRow, Listening, NodeRow, UnitRow
from router.store.commit_batch import CommitBatch
from router.store.forgotten import facts_of, slot_of_event
from router.store.names_in_texts import Names
from router.store.ports import (
    Claim,
    Claims,
    Cluster,
    Commands,
    Counters,
    DeadLetters,
    Directory,
    Erasure,
    EventLog,
    Health,
    InputReports,
    KeyedState,
    Lanes,
    Lookups,
    Notices,
    OnStored,
    OutputReports,
    People,
    Queries,
    Replays,
    Sizes,
    Store,
)
from router.store.regulation import Demand, Regulation, Step, Tool, deletions_of
from router.store.rows import (
    COUNTED_SPANS,
    EVERY,
    HOUR_S,
    MINUTE_S,
    NO_GROUP,
    ORDER_KEY_STEP,
    PART,
    AskedCommand,
    AttemptRow,
    CommandRow,
    CursorRow,
    DeadLetterFilter,
    DeadRow,
    DirectorySnapshot,
    DirectoryUpdate,
    EventAsk,
    EventQuery,
    GroupCallRow,
    GroupProfile,
    IsRefused,
    LaneRow,
    LogRow,
    Membership,
    Miscounted,
    Opening,
    ParkedOutcome,
    ParkedRow,
    Pending,
    ReplayRow,
    Slice,
    Status,
    Tried,
    Unit,
    Upkeep,
    Waits,
    Written,
    none_refused,
)
from router.store.shards import WHOLE, Floor, Share
from router.store.suppressions import Suppressions

__all__ = [
    "COUNTED_SPANS",
    "EVERY",
    "HOUR_S",
    "MINUTE_S",
    "NO_GROUP",
    "ORDER_KEY_STEP",
    "PART",
    "WHOLE",
    "AskedCommand",
    "AttemptRow",
    "Claim",
    "Claims",
    "Cluster",
    "ClusterRows",
    "CommandRow",
    "Commands",
    "CommitBatch",
    "ConfiguredRow",
    "Counters",
    "CursorRow",
    "DeadLetterFilter",
    "DeadLetters",
    "DeadRow",
    "Demand",
    "Directory",
    "DirectorySnapshot",
    "DirectoryUpdate",
    "Erasure",
    "EventAsk",
    "EventLog",
    "EventQuery",
    "Floor",
    "GroupCallRow",
    "GroupProfile",
    "Health",
    "InputReports",
    "IsRefused",
    "KeyedState",
    "LaneRow",
    "Lanes",
    "Listening",
    "LogRow",
    "Lookups",
    "Membership",
    "Miscounted",
    "Names",
    "NodeRow",
    "Notices",
    "OnStored",
    "Opening",
    "OutputReports",
    "ParkedOutcome",
    "ParkedRow",
    "Pending",
    "People",
    "Queries",
    "Regulation",
    "ReplayRow",
    "Replays",
    "Share",
    "Sizes",
    "Slice",
    "Status",
    "Step",
    "Store",
    "Suppressions",
    "Tool",
    "Tried",
    "Unit",
    "UnitRow",
    "Upkeep",
    "Waits",
    "Written",
    "deletions_of",
    "facts_of",
    "none_refused",
    "slot_of_event",
]
