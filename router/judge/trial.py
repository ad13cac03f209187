"""Stored calls against a plan that is not in force: what it would have done. Nothing is changed or sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from router.event import Call, is_forwarded
from router.judge.report import result_of
from router.judge.source_plans import SourcePlan
from router.plans import Plan, Policy, container_of

MAX_KINDS = 10_000
"""Different violations that are told apart."""
UNPLANNED = "Unplanned Property"
"""Stands for what `unplanned_properties = "omit"` takes, which is no violation."""
NOTICING = Policy(unplanned_properties="omit")
"""Notes all there is to note."""


class Kind(msgspec.Struct):
    """How often one kind of violation was met, and in which call last."""

    n: int = 0
    example: str = ""


class Trial:
    """Counts what would have happened.

    Args:
        policies: of each source, by type of call. A source that is not here has none: all is allowed.
    """

    def __init__(self, plan: Plan, policies: Mapping[str, Mapping[str, Policy]]) -> None:
        self._plan, self._policies = plan, policies
        self._judges: dict[str, tuple[SourcePlan, SourcePlan]] = {}  #: as configured, and noticing all
        self.results: Counter[str] = Counter()
        self.kinds: dict[tuple[str, str, str], Kind] = {}  #: by event, type and field
        self.calls = 0
        self.left_out = 0  #: violations beyond MAX_KINDS

    def add(self, call: Call) -> None:
        """One stored call. What the router made itself is held against no plan."""
        if is_forwarded(call.body):
            return
        self.calls += 1
        configured, noticing = self._judge(call.source)
        verdict, event = configured.judge(call)
        self.results[result_of(verdict)] += 1
        noted, _ = noticing.judge(call)
        name = event.name or event.type
        container = container_of(event.type)
        kinds = {(one.type, one.field): None for one in verdict.violations}
        kinds |= {(UNPLANNED, f"{container}.{one}"): None for one in noted.omitted}
        for kind in kinds:
            self._count((name, *kind), call.message_id)

    def _judge(self, source: str) -> tuple[SourcePlan, SourcePlan]:
        if source not in self._judges:
            policies = self._policies.get(source, {})
            every = dict.fromkeys(("track", "identify", "group", "page", "screen"), NOTICING)
            self._judges[source] = SourcePlan(source, self._plan, policies), SourcePlan(source, self._plan, every)
        return self._judges[source]

    def _count(self, key: tuple[str, str, str], message_id: str) -> None:
        kind = self.kinds.get(key)
        if kind is None:
            if len(self.kinds) >= MAX_KINDS:
                self.left_out += 1
                return
            kind = self.kinds[key] = Kind()
        kind.n += 1
        kind.example = message_id

    def describe(self) -> dict[str, Any]:
        """What was found, the most frequent first."""
        ordered = sorted(self.kinds.items(), key=lambda item: (-item[1].n, item[0]))
        return {
            "events": self.calls,
            "results": {name: self.results[name] for name in ("allowed", "omitted", "blocked")},
            "items": [
                {"event": event, "type": type, "field": field, "count": kind.n, "example": kind.example}
                for (event, type, field), kind in ordered
            ],
            "left_out": self.left_out,
        }
