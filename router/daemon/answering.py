"""What the admin API, the console and the notifier ask of the daemon: see `admin/daemon_port.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.admin.daemon_port import ClockJump, InForce, Preview, ReloadRefused
from router.backup import last_backup
from router.clock import Clock
from router.config import Proposal, describe_intake
from router.counts import Counted, Counts
from router.daemon.clock_jumps import ClockJumps
from router.daemon.counting import Counting
from router.daemon.cursor_watch import CursorWatch
from router.daemon.disk_watch import DiskWatch
from router.daemon.forgetting import Forgetting
from router.daemon.loop_watch import LoopWatch
from router.daemon.reloading import ReloadingDaemon
from router.deliver.runner_port import DestinationRunner
from router.ingest.write_key import Sources
from router.judge import SourcePlan, SourcePlans
from router.metrics import Metrics
from router.privacy import SourcePrivacy
from router.source_activity import Active, SourceActivity
from router.store import Demand, Regulation


class AnsweringDaemon(ReloadingDaemon):
    """The questions. Who is asked is what `Daemon` has opened."""

    metrics: Metrics
    _clock: Clock
    _sources: Sources
    _plans: SourcePlans
    _forgetting: Forgetting
    _counting: Counting
    _activity: SourceActivity
    _disk: DiskWatch
    _cursors: CursorWatch
    _loops: LoopWatch
    _jumps: ClockJumps
    _backups: last_backup.Known

    @property
    def runners(self) -> Mapping[str, DestinationRunner]:
        """The destinations that run, by name."""
        return self._supervisor.runners

    async def is_exchanged(self, name: str, former: DestinationRunner) -> bool:
        """Wait until another runner has taken the place of this one. False: none does in time, or the daemon ends."""
        return await self._supervisor.is_exchanged(name, former)

    @property
    def disk_problem(self) -> str:
        """The warning that the store uses half of its disk budget; empty while it does not."""
        return self._disk.problem

    @property
    def loop_lags_s(self) -> Mapping[str, float]:
        """How late each event loop was at most in the last minute, by destination; that of all others by the empty name."""
        return self._loops.lags_s()

    @property
    def standing_s(self) -> Mapping[str, float]:
        """For how long the cursor of a destination has not moved, though there are events above it."""
        return self._cursors.standing_s()

    @property
    def clock_jump(self) -> ClockJump | None:
        """The newest jump of the wall clock, of the last hour."""
        return self._jumps.clock_jump(self._clock.now_ms())

    def activity_of(self, source: str) -> Active:
        """How much a source sends, and whether it is silent for longer than usual."""
        return self._activity.of(source)

    @property
    def backup_problem(self) -> str:
        """That there is no backup which is young enough; empty while there is one, or nobody wants to know."""
        store = self._reload.config.store
        max_age_s = 0.0 if store.is_database else store.backup_max_age_s
        return last_backup.problem(self._backups.last, max_age_s, self.now_ms)

    @property
    def last_backup_ms(self) -> int:
        """When the last backup was made; 0 where none is known."""
        last = self._backups.last
        return last.made_ms if last else 0

    @property
    def now_ms(self) -> int:
        """Router time."""
        return self._clock.now_ms()

    async def preview(self, proposal: Proposal | None = None) -> Preview:
        """What a reload now would do."""
        return await self._reload.preview(self._supervisor, proposal)

    @property
    def in_force(self) -> InForce:
        """Since when the configuration is in force."""
        return self._reload.in_force

    @property
    def last_refused(self) -> ReloadRefused | None:
        """The last reload, where it was refused."""
        return self._reload.last_refused

    async def drop(self, name: str) -> dict[str, int]:
        """Drop all that is kept of a destination which is not configured. Raises CommandRefused."""
        return await self._supervisor.drop(name)

    @property
    def isolated(self) -> Mapping[str, str]:
        """Destinations whose hooks held the event loop, so that each has a thread of its own now; and why."""
        return self._supervisor.isolated

    def unwritten_counts(self) -> tuple[int, Mapping[Counted, Counts]]:
        """What was counted since the last write of the counts, and when that was (ms)."""
        return self._counting.unwritten()

    def _counted(self) -> list[Counted]:
        config = self.config
        sources = [Counted("source", source.name) for source in config.sources]
        return sources + [Counted("destination", destination.name) for destination in config.destinations]

    def unmark(self, name: str) -> None:
        """A destination was resumed: at the next start its hooks run in the loop of all again."""
        self._supervisor.unmark(name)

    def privacy_of(self, source: str) -> SourcePrivacy | None:
        """What a source takes from its calls; None where it takes nothing."""
        return self._sources.privacy.get(source)

    def plan_of(self, source: str) -> SourcePlan | None:
        """The tracking plan of a source; None: it has none."""
        return self._plans.of(source)

    async def regulate(self, demand: Demand) -> Regulation:
        """Forget or suppress people. Raises CommandRefused, StoreError."""
        self.metrics.duplicates.clear()
        return await self._forgetting.demand(demand)

    def describe_sources(self) -> list[dict[str, Any]]:
        """The configured sources, without their keys, what was mended in their calls, and what they were answered."""
        config, answers = self._reload.config, self.metrics.answers()
        return [
            {
                "name": s.name,
                "kind": s.kind,
                "enabled": s.enabled,
                "strict": s.strict,
                "origins": list(s.origins),
                **describe_intake(s, config.plans.get(s.name), follow=config.consent.follow),
                "warnings": self.metrics.input_warnings.describe(s.name),
                "warnings_by_library": self.metrics.input_warnings.by_library(s.name),
                "keys": self._sources.keys_of(s.name),
                "answers": answers.get(s.name, {}),
            }
            for s in config.sources
        ]
