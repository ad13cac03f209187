"""Which plan each source has, and what it says of a stored call. The same for acceptance and for a replay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from router.config import Config, SourceConfig
from router.event import Call, Notes, is_forwarded, normalize_event, with_verdict
from router.plans import ALLOW_ALL, Effort, Plan, Policy, Verdict, check
from router.plugin import Event

MAX_VALUES = 2_000
"""Values of one call, beyond which only its first error is looked for."""


class SourcePlan(msgspec.Struct, frozen=True):
    """The plan of one source, and what becomes of its violations."""

    source: str
    plan: Plan
    policies: Mapping[str, Policy]  #: by type of call
    violations_to: str = ""  #: the source that gets each violation as a call; "": none
    blocked_to: str = ""  #: the source that gets the blocked calls; "": none

    @classmethod
    def of(cls, source: SourceConfig, plan: Plan) -> SourcePlan:
        """As config.toml says."""
        return cls(source.name, plan, source.on_violation.policies(), source.forward.violations, source.forward.blocked)

    def judge(self, call: Call, effort: Effort | None = None) -> tuple[Verdict, Event]:
        """What the plan says of a call, and the call as an event, without what is omitted. Any earlier verdict is left aside.

        Args:
            effort: what the calls of one request share.
        """
        event = opened(call)
        return self.verdict_on(call, event, effort), event

    def verdict_on(self, call: Call, event: Event, effort: Effort | None = None) -> Verdict:
        """The same for a call that was opened before. What is omitted is taken out of the event."""
        if call.body.count(b",") >= MAX_VALUES and _has_many_values(event.payload):  # commas stand in texts, too
            effort = Effort(0)
        policy = self.policies.get(call.type, ALLOW_ALL)
        return check(self.plan, policy, call.type, dict(event.payload), self.source, effort)


def opened(call: Call, notes: Notes | None = None) -> Event:
    """A call as a plan is asked about it: any earlier verdict is left aside. `notes`: gets what was mended in it."""
    body = with_verdict(call.body, None)
    return normalize_event(call.source, call.type, call.message_id, call.received_at, body, notes=notes)


def name_of(event: Event) -> str:
    """How a call is named where its violations are told."""
    return event.name or event.type


def _has_many_values(payload: Mapping[str, Any]) -> bool:
    left: list[Any] = [payload]
    n = 0
    while left and n < MAX_VALUES:
        value = left.pop()
        n += 1
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return n >= MAX_VALUES


class SourcePlans:
    """The plans in force. A reload replaces all of them at once; destinations in threads of their own read them too."""

    def __init__(self, plans: Iterable[SourcePlan] = ()) -> None:
        self._plans: Mapping[str, SourcePlan] = {plan.source: plan for plan in plans}

    def replace(self, config: Config) -> None:
        """Take the plans of this configuration."""
        self._plans = {
            source.name: SourcePlan.of(source, config.plans[source.name])
            for source in config.sources
            if source.name in config.plans
        }

    def of(self, source: str) -> SourcePlan | None:
        """The plan of a source; None: it has none."""
        return self._plans.get(source)

    def judged_again(self, call: Call) -> bytes:
        """The body of a call that is replayed, with the verdict of today's plan in place of the one it was accepted with.
        Where its source has no plan any more, it passes."""
        if is_forwarded(call.body):
            return call.body
        plan = self.of(call.source)
        return with_verdict(call.body, None if plan is None else plan.judge(call)[0])
