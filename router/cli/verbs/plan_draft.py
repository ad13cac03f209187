"""`plan draft`: a tracking plan made from what a source sends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.endpoint import Failed
from router.cli.lazy import lazy
from router.cli.options import ConfigFile, Since
from router.cli.output import say_json, warn
from router.cli.stored_calls import walk
from router.explain.figures import count

if TYPE_CHECKING:
    from router.judge import drafting
else:
    drafting = lazy("router.judge.drafting")

WEEK = "7d"
OfSource = Annotated[str, typer.Argument(metavar="SOURCE", help="The source, by its name in config.toml.")]


def plan_draft(source: OfSource, since: Since = None, config: ConfigFile = Path("config.toml")) -> None:
    """Print a tracking plan made from the stored events of a source.

    JSON in the form of Segment's Public API: names and types as they were sent, and how often each was there. It requires nothing and
    holds no values. The events of the last 7 days, unless --since says otherwise.

    Examples:
        plan draft website > plans/website.json
        plan draft website --since 30d
    """
    draft = drafting.Drafting()
    walk(config, source, since or WEEK, draft.add)
    if not draft.calls:
        raise Failed(f"no event of source {source!r} is stored since then, so there is nothing to make a plan from")
    say_json(draft.plan(source))
    warn(f"made from {count(draft.calls, 'event')}")
    if draft.left_out:
        warn(f"{count(draft.left_out, 'event')} left out: more than {drafting.MAX_EVENTS} different names")
