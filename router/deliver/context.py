"""What everything that serves one destination shares; made once for each worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from random import Random

from router.clock import Clock
from router.decide.group_readiness import GroupReadiness
from router.deliver.commit.unit_of_work import UnitOfWork
from router.deliver.lanes.lane_table import LaneTable
from router.deliver.lanes.run_queue import RunQueue
from router.deliver.process.mapper import mapped_by
from router.deliver.send.circuit_breaker import CircuitBreaker
from router.deliver.send.rate_limit import RateLimit
from router.judge import SourcePlans
from router.logger import Log
from router.metrics import Meter
from router.plugin_host import Destination
from router.plugin_host.shortening import first_bytes
from router.store import Claim, EventLog, Health
from router.tracing import Tracing

WARNING_PAUSE_MS = 60_000
MAX_WARNINGS = 200
"""Different reasons that a plugin's warnings are counted by; further ones count as "other"."""
MAX_REASON = 200
"""Characters of a reason that count."""
MAX_NUMBERS = 20
"""What a plugin may say beside a reason."""


@dataclass(frozen=True)
class DeliveryContext:
    """The surroundings of one destination."""

    destination: Destination
    event_log: EventLog
    claim: Claim  #: this worker's right to the destination
    health: Health
    clock: Clock
    log: Log
    random: Random
    meter: Meter
    is_alone: bool = False  #: its loop is its own: it shares no opened event with others
    rate: RateLimit | None = None  #: of its requests; it outlives the worker, or a new one would exceed it
    plans: SourcePlans = field(default_factory=SourcePlans)  #: those of all sources, which a replay asks
    tracing: Tracing | None = None  #: begins the span of each request; None: nothing is traced


@dataclass(frozen=True)
class DeliveryState:
    """What a worker knows: its next commit, its lanes, which group calls count, whether it may send."""

    work: UnitOfWork
    lanes: LaneTable
    run_queue: RunQueue
    readiness: GroupReadiness
    breaker: CircuitBreaker
    forgotten: dict[str, int] = field(default_factory=dict)
    """User keys, and "g:<groupId>", whose events in flight are dead, whatever the answer, up to a position."""

    @classmethod
    def open(cls, context: DeliveryContext, wake: Callable[[], None], commit: Callable[[], None]) -> DeliveryState:
        """As the store's cursor has it. `wake`: the loop is to look again; `commit`: there is something to commit."""
        cursor = context.claim.cursor
        return cls(
            work=UnitOfWork(context.destination.name, mapped_by(context.destination), cursor, context.clock, commit),
            lanes=LaneTable(),
            run_queue=RunQueue(wake),
            readiness=GroupReadiness(cursor.start, cursor.pos, cursor.ahead),
            breaker=CircuitBreaker(cursor.status, context.clock, cursor.share.shard),
        )


@dataclass
class Warnings:
    """What a plugin has warned of, counted by reason; each reason is logged at most once a minute."""

    context: DeliveryContext
    counts: dict[str, int] = field(default_factory=dict)
    _logged_at: dict[str, int] = field(default_factory=dict)

    def warn(self, reason: str, **numbers: float) -> None:
        """Count one. The reason is somebody's words: half a surrogate pair in it becomes "?"."""
        destination = self.context.destination
        reason = str(reason)[: 2 * MAX_REASON].encode("utf-8", "replace").decode()
        reason = destination.redactor.word(reason)[:MAX_REASON]
        if reason not in self.counts and len(self.counts) >= MAX_WARNINGS:
            reason = "other"
        self.counts[reason] = self.counts.get(reason, 0) + 1
        now = self.context.clock.now_ms()
        if now - self._logged_at.get(reason, -WARNING_PAUSE_MS) >= WARNING_PAUSE_MS:
            self._logged_at[reason] = now
            told = {name: self._number(n) for name, n in islice(numbers.items(), MAX_NUMBERS)}
            self.context.log.emit("plugin_warned", reason=reason, count=self.counts[reason], **told)

    def _number(self, given: object) -> object:
        """A number as it is; of anything else the first words."""
        if isinstance(given, float) or (isinstance(given, int) and given.bit_length() <= 64):
            return given
        return self.context.destination.redact(first_bytes(str(given), MAX_REASON))
