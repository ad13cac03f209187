"""What the router asks of a store, by who asks. No SQL, connection or transaction crosses this line.

store.py       one opened store: all of the following
event_log.py   the accepted events, shared by all
claims.py      who owns which destination; a claim commits
delivery.py    what the worker of a destination reads
health.py      whether the store can do its work, and what it takes
queries.py     what operators ask of events, people and groups
reports.py     what operators ask of that which came in and went out, and what is counted
nodes.py       the nodes that share a store, and what they leave there for each other
people.py      forgetting and suppressing people

`append` and `commit` are the only writes of the flow. Both are durable when they return; everything in one CommitBatch is stored or
nothing of it. Every read may lag behind what is being committed, and each is one consistent snapshot. A StoreError from any of
these means: not done.
"""

from __future__ import annotations

from router.store.ports.claims import Claim, Claims
from router.store.ports.delivery import DeadLetters, Directory, KeyedState, Lanes, Replays
from router.store.ports.event_log import EventLog, OnStored
from router.store.ports.health import Health, Sizes
from router.store.ports.nodes import Cluster, Commands, Notices
from router.store.ports.people import Erasure, People
from router.store.ports.queries import Lookups, Queries
from router.store.ports.reports import Counters, InputReports, OutputReports
from router.store.ports.store import Store

__all__ = [
    "Claim",
    "Claims",
    "Cluster",
    "Commands",
    "Counters",
    "DeadLetters",
    "Directory",
    "Erasure",
    "EventLog",
    "Health",
    "InputReports",
    "KeyedState",
    "Lanes",
    "Lookups",
    "Notices",
    "OnStored",
    "OutputReports",
    "People",
    "Queries",
    "Replays",
    "Sizes",
    "Store",
]
