"""The calls of one request: each is held against the plan of its source before it is stored, and told of once it is.

What is said of a call is stored with it, in the same transaction, as are the calls that are forwarded because of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from router.event import Call, Noted, Notes, with_verdict
from router.judge.forwarding import Forwarder
from router.judge.report import ViolationReport
from router.judge.source_plans import SourcePlans, name_of, opened
from router.plans import Effort


class Judge:
    """Judges what is accepted."""

    def __init__(self, plans: SourcePlans, forwarder: Forwarder, report: ViolationReport) -> None:
        self.plans = plans
        self._forwarder, self._report = forwarder, report

    def judged(self, calls: list[Call]) -> list[Call]:
        """The calls of one source as they are to be stored, and behind them those that are forwarded because of them."""
        plan = self.plans.of(calls[0].source) if calls else None
        if plan is None:
            return calls
        found, forwarded, effort, notes = [], list[Call](), Effort(), Notes()
        for call in calls:
            event = opened(call, notes)
            verdict = plan.verdict_on(call, event, effort)
            if verdict.says_nothing:
                # It is opened once for the plan, the directory and all destinations. What was mended is told by a destination.
                call.opened = None if notes else event
            else:
                noted = Noted(name_of(event), verdict)
                call = msgspec.structs.replace(call, body=with_verdict(call.body, verdict), noted=noted)
                forwarded += self._forwarder.calls(plan, call, event)
            notes.clear()
            found.append(call)
        return found + forwarded

    def stored(self, calls: Sequence[Call], positions: Iterable[int]) -> None:
        """These were stored at these positions; 0: it was a duplicate, and is told of by nobody."""
        for call, pos in zip(calls, positions, strict=True):
            if call.noted is not None and pos:
                self._report.add(call.source, call.noted)
