"""Nine builds of the router that are broken on purpose, each in a way that once was a plausible mistake. The simulation must tell
every one of them from the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

from router.deliver.commit.state_order import StateChanges
from router.deliver.lanes.lane_table import LaneTable
from router.event import Call, Discard
from router.store import DirectoryUpdate, LaneRow, OnStored
from tests.contract.simulation import inside
from tests.contract.simulation.inside import Delivery, GroupReadiness, Lane, UnitOfWork, Writer
from tests.contract.simulation.traits import Traits, only


@contextmanager
def answers_before_commit() -> Iterator[None]:
    """Acceptance does not wait for the disk."""
    append_soon = Writer.append_soon

    def at_once(
        self: Writer,
        calls: Sequence[Call],
        facts: Sequence[DirectoryUpdate | None],
        discards: Sequence[Discard],
        on_done: OnStored,
    ) -> None:
        append_soon(self, calls, facts, discards, lambda told: None)
        asyncio.get_running_loop().call_soon(on_done, [1 for _ in calls])

    with patch.object(Writer, "append_soon", at_once):
        yield


@contextmanager
def opens_the_gate_on_seeing_a_group() -> Iterator[None]:
    """A group call supplies as soon as the directory has it."""
    with patch.object(GroupReadiness, "has", lambda self, pos, what: True):
        yield


@contextmanager
def forgets_a_parked_row() -> Iterator[None]:
    """Now and then a row that should be parked is not in the commit."""
    park, count = UnitOfWork._park, 0

    def parked(self: UnitOfWork, delivery: Delivery, *words: Any) -> None:
        nonlocal count
        park(self, delivery, *words)
        count += 1
        if count % 10 == 0:
            self._batch.park.pop(delivery.pos, None)

    with patch.object(UnitOfWork, "_park", parked):
        yield


@contextmanager
def commits_state_ahead_of_its_event() -> Iterator[None]:
    """What a hook did to keyed state goes into the next commit, wherever its event is by then."""
    begin = UnitOfWork.changes_state

    def at_once(self: UnitOfWork, delivery: Delivery, changes: StateChanges) -> None:
        for key, value in changes.values.items():
            self.remember(key, value)
        for key, timer in changes.timers.items():
            self.timer(key, timer)
        begin(self, delivery, StateChanges(changes.key))

    with patch.object(UnitOfWork, "changes_state", at_once):
        yield


@contextmanager
def looks_for_waiting_lanes_in_rows_only() -> Iterator[None]:
    """When a supply opens a need, lanes in memory are not asked."""

    def none(self: LaneTable, key: str) -> list[Lane]:
        return []

    with patch.object(LaneTable, "waiting_for", none):
        yield


@contextmanager
def deletes_a_lane_with_an_uncommitted_parked_row() -> Iterator[None]:
    """A lane that had one row left takes its lane row away with it, though another row is on its way."""
    image = Lane.image

    def forgetful(self: Lane) -> LaneRow | None:
        return None if self.is_stored and self.rows == 1 and self.waiting else image(self)

    with patch.object(Lane, "image", forgetful):
        yield


# The next three are to be finished when the router has what they take out; where, `inside` says. Until then a user may fill the
# window anyway, there is one line anyway, and each row has a body of its own.


@contextmanager
def has_a_window_without_a_bound_per_user() -> Iterator[None]:
    """One user's events may be all that is in memory."""
    with inside.no_bound_per_user():
        yield


@contextmanager
def has_one_line_for_retries_and_releases() -> Iterator[None]:
    """A retry that is due waits behind what was released before."""
    with inside.one_line():
        yield


@contextmanager
def forgets_what_rows_need_of_the_log() -> Iterator[None]:
    """Trimming takes the body of a parked event away."""
    with inside.forgets_trimmed_bodies():
        yield


IMAGE, ROWS = "lanes are the image of parked rows", "counters equal the rows"
BUILDS: dict[str, tuple[Callable[[], Any], frozenset[str]]] = {
    build.__name__: (build, frozenset(invariants))
    for build, invariants in (
        (answers_before_commit, ("200 means stored",)),
        (opens_the_gate_on_seeing_a_group, ("no gate opens before its supply is settled",)),
        (forgets_a_parked_row, (IMAGE, ROWS)),
        (commits_state_ahead_of_its_event, ("state has each event once", "state holds nothing else")),
        (looks_for_waiting_lanes_in_rows_only, ("no gate is left shut",)),
        (deletes_a_lane_with_an_uncommitted_parked_row, (IMAGE,)),
        (
            has_a_window_without_a_bound_per_user,
            ("nobody waits while requests are free", "no user fills the window"),
        ),
        (has_one_line_for_retries_and_releases, ("a due retry does not wait behind a release",)),
        (forgets_what_rows_need_of_the_log, ("each row has its body", ROWS)),
    )
}
"""Each broken build, and the invariants that tell it."""
TRAITS: dict[str, Callable[[int], Traits]] = {
    has_a_window_without_a_bound_per_user.__name__: partial(only, "a user with most of the traffic"),
    has_one_line_for_retries_and_releases.__name__: partial(only, "a retry beside a release"),
    forgets_what_rows_need_of_the_log.__name__: lambda seed: Traits(trims=True, gated=True),
}
"""By seed, the traits of the stories in which some are found; the others are found in any."""
