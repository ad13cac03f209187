"""`plan test`: what a tracking plan would have done to the events of the last days."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.endpoint import Failed, operator_of
from router.cli.lazy import lazy
from router.cli.options import AsJson, ConfigFile, Since, Source
from router.cli.output import say, say_json, say_table, warn
from router.cli.stored_calls import walk
from router.cli.verbs.plan_check import Files, read
from router.explain.figures import count

if TYPE_CHECKING:
    from router import config as configuration
    from router.judge import trial
else:
    configuration = lazy("router.config")
    trial = lazy("router.judge.trial")

WEEK = "7d"


def plan_test(
    files: Files,
    source: Source = None,
    since: Since = None,
    config: ConfigFile = Path("config.toml"),
    as_json: AsJson = False,
) -> None:
    """Check the stored events against a tracking plan.

    It shows what would have happened. Each event is judged with the `on_violation` of its source in config.toml; a source without one
    allows all. Counts by event, type and field, with the message id of an example. The events of the last 7 days, unless --since says
    otherwise. Nothing is changed.

    Examples:
        plan test plans/acme.json
        plan test plans/acme.json --source website --since 24h
    """
    plan = read(files)
    tables = [table for _, table in configuration.examine(config, *operator_of(config)).sources]
    if source is not None and source not in {table.name for table in tables}:
        raise Failed(
            f"no source {source!r} in {config}; there is {', '.join(table.name for table in tables) or 'none'}"
        )
    found = trial.Trial(plan, {table.name: table.on_violation.policies() for table in tables})
    walk(config, source, since or WEEK, found.add)
    told = found.describe()
    if as_json:
        say_json(told)
        return
    results = told["results"]
    say(
        f"{count(told['events'], 'event')}: {results['allowed']:,} would go on as they are, from {results['omitted']:,} something would"
        f" be omitted, {results['blocked']:,} would be blocked"
    )
    if told["items"]:
        say("")
        say_table(
            ["event", "type", "field", "events"],
            [[row["event"], row["type"], row["field"], row["count"]] for row in told["items"]],
            cut=["event"],
            ids=[row["example"] for row in told["items"]],
        )
    if told["left_out"]:
        warn(f"{count(told['left_out'], 'violation')} of further kinds are left out")
