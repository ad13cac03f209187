"""Stored calls against a plan that is not in force: what it would have done. Nothing is changed or sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from router.event import Call, is_forwarded
from router.judge.report import result_of
from router.judge.source_plans import SourcePlan, name_of, opened
from router.plans import Plan, Policy, container_of, unplanned_names

MAX_KINDS = 10_000
"""Different violations that are told apart."""
UNPLANNED = "Unplanned Property"
"""Stands for what `unplanned_properties = "omit"` takes, which is no violation."""


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
        self.results: Counter[str] = Counter()
        self.kinds: dict[tuple[str, str, str], Kind] = {}  #: by event, type and field
        self.calls = 0
        self.left_out = 0  #: violations beyond MAX_KINDS

    def add(self, call: Call) -> None:
        """One stored call. What the router made itself is held against no plan."""
        if is_forwarded(call.body):
            return
        self.calls += 1
        event, container = opened(call), container_of(call.type)
        kinds = [(UNPLANNED, f"{container}.{one}") for one in unplanned_names(self._plan, call.type, event.payload)]
        verdict = SourcePlan(call.source, self._plan, self._policies.get(call.source, {})).verdict_on(call, event)
        result = result_of(verdict)
        self.results["omitted" if verdict.omitted and result == "allowed" else result] += 1
        for kind in dict.fromkeys([*((one.type, one.field) for one in verdict.violations), *kinds]):
            self._count((name_of(event), *kind), call.message_id)

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
