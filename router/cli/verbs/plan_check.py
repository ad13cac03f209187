"""`plan check`: whether a tracking plan could be used, and which rules it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.lazy import lazy
from router.cli.options import AsJson
from router.cli.output import say, say_json, say_table, warn
from router.errors import ConfigError
from router.explain.figures import count

if TYPE_CHECKING:
    from router import plans
    from router.plans import Plan
else:
    plans = lazy("router.plans")

Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="The plan; several files are one plan.")]


def read(files: list[Path]) -> Plan:
    """The plan in these files. Raises ConfigError with every problem."""
    try:
        return plans.load_plan(files)
    except plans.PlanError as error:
        raise ConfigError(error.problems) from None


def plan_check(files: Files, as_json: AsJson = False) -> None:
    """Check a tracking plan, and show its rules.

    Every problem is told at once, with file, rule and JSON path. Needs no daemon and no config.toml. What Segment would not accept
    is told on standard error.

    Examples:
        plan check plans/acme.json
        plan check page-1.json page-2.json --json
    """
    plan = read(files)
    advice = list(plans.refused_by_segment(plan))
    rules = [{"type": rule.kind, "key": rule.key, "version": rule.version} for rule in plan.rules]
    if as_json:
        say_json({"name": plan.name, "rules": rules, "warnings": plan.warnings, "refused_by_segment": advice})
        return
    warn(*(f"warning: {words}" for words in plan.warnings))
    warn(*(f"not for Segment: {words}" for words in advice))
    name = f' "{plan.name}"' if plan.name else ""
    say(f"the plan{name} is good: {count(len(rules), 'rule')}", "")
    say_table(
        ["type", "key", "version"], [[rule["type"], rule["key"], rule["version"]] for rule in rules], wrap=["key"]
    )
