"""One call against a plan: which steps there are, and in which order.

1. No rule for a track call: `Unplanned Event`. 2. Unplanned names go. 3. The rule of the call. 4. The common rule, on what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, Literal, NamedTuple

import msgspec

from router.plans.plan import Plan, Rule
from router.plans.verdict import PASSED, KeyPath, Verdict, Violation, take_out
from router.plans.violations import unplanned, violations_of

MAX_NOTED = 100
"""Violations that are noted of one call. What is omitted has no such bound."""

MAX_ERRORS = 5_000
"""Errors that are looked for in the calls of one request."""

Reaction = Literal["allow", "omit", "block"]


class Policy(NamedTuple):
    """What becomes of a call of one type that does not fit the plan."""

    unplanned_events: Literal["allow", "block"] = "allow"
    unplanned_properties: Literal["allow", "omit"] = "allow"
    violations: Reaction = "allow"
    common_violations: Reaction = "allow"


ALLOW_ALL = Policy()
"""Violations are noted, and nothing else."""


class _Draft(msgspec.Struct):
    """What was found so far."""

    violations: list[Violation] = []
    omitted: list[str] = []
    taken: list[KeyPath] = []
    is_blocked: bool = False


def container_of(type: str) -> str:
    """Where a call of this type has its values."""
    return "traits" if type in ("identify", "group") else "properties"


class Effort:
    """How many errors are still looked for. An error takes 20 us, and two bytes of a call may be one: without a bound, a client
    could keep the event loop busy for seconds with one request. Once it is spent, one error of a call is noted, and `omit` means
    `block`, since what else does not fit is not known.
    """

    def __init__(self, left: int = MAX_ERRORS) -> None:
        self.left = left

    @property
    def is_spent(self) -> bool:
        """Whether only the first error of a rule is looked for."""
        return self.left <= 0


def check(
    plan: Plan, policy: Policy, type: str, call: dict[str, Any], source: str = "", effort: Effort | None = None
) -> Verdict:
    """Hold a normalised call against its plan.

    Args:
        type: of the call.
        call: as it was accepted; what is omitted is taken out of it.
        source: whose plan it is, for the verdict.
        effort: what the calls of one request share.
    """
    effort = effort or Effort()
    if type == "alias":
        return PASSED
    found, rule = _Draft(), plan.rule_for(type, call)
    if rule is None and type == "track":
        found.violations.append(unplanned(str(call.get("event"))))
        found.is_blocked = policy.unplanned_events == "block"
    if rule is not None:
        if policy.unplanned_properties == "omit":
            container = container_of(type)
            found.omitted = _unplanned(rule, container, call)
            for name in found.omitted:
                del call[container][name]
        _ask(rule, policy.violations, call, found, effort)
    if not found.is_blocked and (common := plan.common_for(call)) is not None:
        _ask(common, policy.common_violations, call, found, effort)
    if not (found.violations or found.omitted):
        return PASSED
    return Verdict(source, found.violations[:MAX_NOTED], found.omitted, found.taken, found.is_blocked)


def unplanned_names(plan: Plan, type: str, call: Mapping[str, Any]) -> list[str]:
    """The properties or traits of a normalised call that its rule does not list. None where there is no rule."""
    rule = plan.rule_for(type, call) if type != "alias" else None
    return [] if rule is None else _unplanned(rule, container_of(type), call)


def _unplanned(rule: Rule, container: str, call: Mapping[str, Any]) -> list[str]:
    inner = call.get(container)
    return [name for name in inner if not rule.schema.lists(container, name)] if isinstance(inner, dict) else []


def _ask(rule: Rule, reaction: Reaction, call: dict[str, Any], found: _Draft, effort: Effort) -> None:
    """Note every error of a rule, and do what is to be done about it."""
    is_brief = effort.is_spent
    errors = filter(None, (rule.schema.first_error(call),)) if is_brief else rule.schema.errors(call)
    first = next(errors, None)
    if first is None:  # as nearly always
        return
    noted: dict[tuple[str, str], Violation] = {}
    paths: dict[tuple[str, ...], KeyPath] = {}
    for error in chain((first,), errors):
        effort.left -= not is_brief
        for violation, path in violations_of(error, call):
            if len(noted) < MAX_NOTED:
                noted.setdefault((violation.field, violation.type), violation)
            if path is not None:
                paths.setdefault(tuple(path), path)
    if not noted:
        return
    earlier = {(one.field, one.type) for one in found.violations}
    found.violations += [violation for kind, violation in sorted(noted.items()) if kind not in earlier]
    if reaction == "block" or (reaction == "omit" and is_brief):
        found.is_blocked = True
    elif reaction == "omit":
        found.taken += [paths[path] for path in sorted(paths) if take_out(call, path)]
