"""Tracking plans: what a source may send, as JSON Schema, and what becomes of a call that breaks a rule. Pure.

forms.py       the three forms of a plan file, told apart by their shape
schema.py      one JSON Schema, compiled
subschemas.py  where a schema has others inside
references.py  which references a schema may have
repetition.py  refuses schemas with which a small call would be slow to check
plan.py        a plan: its rules by kind, name and version
loading.py     from files to a plan, or to every problem with them
violations.py  what is noted of each error of a schema, and what omitting takes away
check.py       one call against a plan: the order of the steps
verdict.py     what a check came to
advice.py      what Segment would not accept
"""

from router.plans.advice import refused_by_segment
from router.plans.check import ALLOW_ALL, Effort, Policy, Reaction, check, container_of, unplanned_names
from router.plans.loading import PlanError, load_plan, read_plan
from router.plans.plan import Plan
from router.plans.verdict import PASSED, Verdict, Violation, take_out
from router.plans.violations import json_type

__all__ = [
    "ALLOW_ALL",
    "PASSED",
    "Effort",
    "Plan",
    "PlanError",
    "Policy",
    "Reaction",
    "Verdict",
    "Violation",
    "check",
    "container_of",
    "json_type",
    "load_plan",
    "read_plan",
    "refused_by_segment",
    "take_out",
    "unplanned_names",
]
