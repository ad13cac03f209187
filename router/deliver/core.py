"""Builds what serves one destination, bottom-up. Each part knows those before it."""

from __future__ import annotations

from collections.abc import Callable

from router.deliver.context import DeliveryContext, DeliveryState, Warnings
from router.deliver.event_lines import EventLines
from router.deliver.jobs.due_lanes import DueLanes
from router.deliver.jobs.expiry import Expiry
from router.deliver.jobs.orphan_repair import OrphanRepair
from router.deliver.jobs.replay import Replay
from router.deliver.jobs.timers import Timers
from router.deliver.jobs.withdrawals import Withdrawals
from router.deliver.lanes.identity_merge import IdentityMerge
from router.deliver.lanes.lane_runner import LaneRunner
from router.deliver.lanes.parked_rows import ParkedRows
from router.deliver.lanes.scheduler import Scheduler
from router.deliver.live_pass import LivePass
from router.deliver.process.filtering import make_preparer
from router.deliver.process.mapper import Mapper
from router.deliver.process.plugin_state import PluginState
from router.deliver.send.batcher import Batcher
from router.deliver.send.http_client import Client
from router.deliver.settle.event_outcomes import EventOutcomes
from router.deliver.settle.releases import Releases
from router.deliver.settle.responses import Responses
from router.deliver.settle.status_changes import StatusChanges
from router.deliver.settle.turns import TurnHandler


class Core:
    """The parts of one worker."""

    def __init__(
        self,
        context: DeliveryContext,
        state: DeliveryState,
        client: Client,
        wake: Callable[[], None],
    ) -> None:
        destination, lines = context.destination, EventLines(context.log)
        self.warnings = Warnings(context)
        self.releases = Releases(state, context.clock.now_ms)
        self.status = StatusChanges(context, state)
        self.outcomes = EventOutcomes(context, state, self.releases, lines)
        # out
        self.responses = Responses(context, state, self.outcomes, self.status, lines, self.warnings.warn)
        self.batcher = Batcher(context, client, state.breaker, self.responses.on_responses, wake)
        self.responses.is_everybody, self.responses.is_busy = self.batcher.is_only, lambda: self.batcher.is_busy
        self.turns = TurnHandler(context, state, self.outcomes, self.status, self.batcher, lines)
        # what becomes of an event
        plugin_state = PluginState(context.claim.keyed_state, state.work)
        self.mapper = Mapper(destination, plugin_state, state.readiness.is_refused, self.warnings.warn)
        self.mapper.shared_events.is_allowed = not context.is_alone
        self.preparer = make_preparer(
            destination,
            context.claim.directory,
            state.readiness,
            self.mapper,
            context.meter.input_warnings,
        )
        # who may go next
        self.rows = ParkedRows(context, state, self.releases)
        merge = IdentityMerge(context, state, self.outcomes, self.releases)
        runner = LaneRunner(context, state, self.outcomes, self.turns, self.mapper, merge)
        self.scheduler = Scheduler(state, self.rows, self.preparer, runner, destination.watch, self.batcher.is_full)
        self.live_pass = LivePass(context, state, self.preparer, self.mapper, self.turns, self.batcher)
        # beside the live flow
        self.due_lanes = DueLanes(context, state, self.rows)
        self.timers = Timers(context, state, self.rows, self.mapper, self.outcomes, self.status)
        self.expiry = Expiry(context, state, self.rows, self.outcomes, self.releases, context.claim.cursor.disabled)
        self.orphans = OrphanRepair(context, state, self.rows, self.releases)
        self.replay = Replay(context, state, self.rows, self.outcomes)
        self.withdrawals = Withdrawals(context, state, self.rows, self.preparer, self.turns, self.releases)
