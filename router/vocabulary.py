"""The words that code, database, log and API share, once each. Their values are the strings that are stored and shown."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

MASK = "***"
"""What is shown, logged and stored in place of a secret. (A form of the console has dots, see `router/editing/masking.py`.)"""


DELETION = "forget:"
"""What the message id of a deletion begins with, before the id of its regulation and a number."""


class Problem(NamedTuple):
    """Something that is wrong with the daemon or its store."""

    code: str  #: for programs
    words: str  #: what is refused, and what to do


class Queue(StrEnum):
    """The two queues of a lane. Events with a closed gate wait in `held`, all other parked events in `main`."""

    HELD = "held"
    MAIN = "main"


class LaneMode(StrEnum):
    """Why a stored lane is blocked."""

    WAITING = "waiting"  #: its held queue waits for a group call, or is let go after one
    RETRY = "retry"  #: everything waits for the next attempt


class LaneState(StrEnum):
    """What a lane does with its user's events. The drawing is in docs/lifecycle.md."""

    FREE = "free"  #: nothing is parked; each event goes when the one before it is done
    HOLDING = "holding"  #: gated events wait for a group; calls that need none go past them
    BLOCKED = "blocked"  #: everything parks until `due_at`: an attempt failed, or the lane waits for its turn to drain
    DRAINING = "draining"  #: parked events go out in order; new ones park behind them


class Line(StrEnum):
    """The three lines that share a destination's capacity."""

    LIVE = "live"
    RETRY = "retry"
    RELEASE = "release"  #: released by the gate, or replayed


class EventState(StrEnum):
    """What an event has come to at a destination. The seven always add up to what was accepted."""

    DELIVERED = "delivered"
    SKIPPED = "skipped"
    FILTERED = "filtered"
    HELD = "held"
    RETRYING = "retrying"
    QUEUED = "queued"
    DEAD = "dead"


class DestinationState(StrEnum):
    """Whether a destination sends."""

    RUNNING = "running"
    PAUSED = "paused"
    BREAKER_OPEN = "breaker_open"
    DISABLED = "disabled"


HEAD_REPAIRED = "the log had events beyond its head: the head is the last of them now"
"""In what a store contradicted itself when it was opened."""

UNSETTLED = tuple(state.value for state in (EventState.HELD, EventState.RETRYING, EventState.QUEUED))
"""States of an event that something will still become of at a destination. A pause of the destination concerns these."""

FORGOTTEN = "forgotten"
"""The reason of an event that is dead since its person or group was forgotten. No letter of it is kept."""

FOREVER_MS = 1 << 62
"""Later than every instant, in milliseconds since 1970; also beyond every position of the log."""
