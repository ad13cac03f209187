"""What is recorded of a demand when it is taken: who is meant, up to which event, and by which hashes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from router.store.regulation import Demand, Regulation, Step, Tool
from router.store.suppressions import HASH_BYTES, Suppressions

Joined = Mapping[str, Sequence[str]]
"""By user key: the anonymous keys that the directory has joined to it."""


def suppress_early(suppressions: Suppressions, demand: Demand, joined: Joined) -> bytes:
    """Calls that are on their way to the store when the demand is recorded would be newer than it. Returns in whose name they are
    suppressed until then."""
    nobody = os.urandom(HASH_BYTES)
    if demand.suppresses:
        keys = (*demand.subjects, *demand.also, *(key for others in joined.values() for key in others))
        suppressions.add((suppressions.hash_of(key), nobody) for key in keys)
    return nobody


def begun(
    demand: Demand, joined: Joined, suppressions: Suppressions, bound: int, now_ms: int
) -> tuple[Regulation, list[tuple[bytes, bytes]]]:
    """The regulation, and the hashes of its people with the person that each belongs to. `bound`: the newest event."""
    people = {subject: [*joined.get(subject, ())] for subject in dict.fromkeys(demand.subjects)}
    first = demand.subjects[0]
    people[first] = [*dict.fromkeys((*people[first], *demand.also))]
    rows = [
        (suppressions.hash_of(key), suppressions.hash_of(subject))
        for subject, others in people.items()
        for key in (subject, *others)
    ]
    regulation = Regulation(
        demand.id,
        demand.kind,
        demand.subject_type,
        len(people),
        now_ms,
        bound,
        Step.ROWS if demand.deletes else Step.NOTE,
        [one.hex() for one, _ in rows],
        [suppressions.hash_of(subject).hex() for subject in people],
        suppressions.key,
    )
    if demand.deletes:
        regulation.keys = [key for subject, others in people.items() for key in (subject, *others)]
        regulation.people = [[subject, *others] for subject, others in people.items()]
        regulation.tools = {name: Tool() for name in demand.tools}
    return regulation, rows
