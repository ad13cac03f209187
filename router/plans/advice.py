"""What Segment would not accept of a plan that is good here. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from router.plans.plan import Plan
from router.plans.schema import DRAFT_7


def refused_by_segment(plan: Plan) -> Iterator[str]:
    """One line for each thing, with the rule."""
    versions = Counter((rule.kind, rule.key) for rule in plan.rules)
    for rule in plan.rules:
        if rule.schema.dialect.rstrip("#") != DRAFT_7.rstrip("#"):
            yield f"{rule.label}: $schema is {rule.schema.dialect}, and Segment has draft-07 only"
        if rule.version < 1:
            yield f"{rule.label}: Segment counts versions from 1"
        if rule.kind != "TRACK" and versions[rule.kind, rule.key] > 1:
            yield f"{rule.label}: Segment has versions of track events only"
        if rule.kind == "TRACK" and not rule.key:
            yield f"{rule.label}: Segment needs the name of the event as key"
