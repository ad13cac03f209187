"""`reload`: put config.toml in force while the daemon runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from router.cli.client import Refused, running_daemon
from router.cli.counts import SEVEN
from router.cli.endpoint import Failed, program
from router.cli.options import Common, asks, hint
from router.cli.output import say, say_json, warn
from router.errors import ConfigError
from router.explain.figures import count

Yes = Annotated[bool, typer.Option("--yes", help="Also where privacy.key has changed.")]
Everywhere = Annotated[
    bool, typer.Option("--everywhere", help="At each node that shares the store, with that node's own file.")
]


@asks
def reload(common: Common, yes: Yes = False, everywhere: Everywhere = False) -> None:
    """Read config.toml again and put it in force.

    Either all of it takes effect, or nothing, and every problem is told. Another privacy.key changes every hash, so it needs --yes
    while anything is hashed. With --everywhere the exit code is 1 if a node has not reloaded.

    Examples:
        reload
        reload --yes
        reload --everywhere
    """
    if everywhere:
        _reload_everywhere(common, yes)
        return
    with running_daemon(common) as admin:
        try:
            answer = admin.post("api", "reload", body={"yes": yes})
            ledger = admin.get("api", "ledger") if answer.get("added") else {}
        except Refused as refused:
            problems = [str(problem) for problem in refused.answer.get("errors", [])]
            if refused.code == "invalid_config":
                raise ConfigError([*problems, "nothing was changed"]) from None
            raise Failed("\n".join(problems) or str(refused)) from None
    if common.as_json:
        say_json(answer)
        return
    warn(*(f"warning: {warning}" for warning in answer.get("warnings", [])))
    told = [f"{what} {', '.join(names)}" for what in ("added", "changed", "removed") if (names := answer.get(what))]
    if sources := answer.get("sources"):
        told.append(f"sources {', '.join(sources)}")
    warn(
        *(
            f"restart_required: {name}: another version of its plugin is installed than runs; restart the daemon"
            for name in answer.get("restart_required", [])
        )
    )
    say(f"config.toml was read again and is in force: {'; '.join(told) or 'no source or destination has changed'}")
    for name in answer.get("removed", []):
        drop = f"{program()} destinations drop {name}{hint(common)}"
        say(f"{name}: what it holds and its dead letters are kept, in case it comes back; to delete them: {drop}")
    for name in answer.get("added", []):
        say(*_earlier_events(name, ledger, common))


def _reload_everywhere(common: Common, yes: bool) -> None:
    with running_daemon(common) as admin:
        try:
            answer = admin.post("api", "reload", body={"yes": yes}, everywhere="true")
        except Refused as refused:
            if refused.code != "not_everywhere":
                raise
            answer = dict(refused.answer)
    if common.as_json:
        say_json(answer)
    else:
        for node in answer["nodes"]:
            _say_node(node)
    if not answer.get("reloaded"):
        raise typer.Exit(1)


def _say_node(node: Mapping[str, Any]) -> None:
    if not node["reloaded"]:
        warn(*(f"{node['node']}: {problem}" for problem in node["errors"] or [node["code"]]))
        return
    told = [f"{what} {', '.join(names)}" for what in ("added", "changed", "removed") if (names := node.get(what))]
    say(f"{node['node']}: config.toml is in force: {'; '.join(told) or 'no destination has changed'}")
    warn(*(f"{node['node']}: warning: {warning}" for warning in node["warnings"]))


def _earlier_events(name: str, ledger: Mapping[str, Any], common: Common) -> list[str]:
    """How to send a new destination what was accepted before it began."""
    counts = ledger["destinations"].get(name)
    before = ledger["accepted"] - sum(counts[state] for state in SEVEN) if counts else 0
    if before <= 0:
        return []
    paste = f"{program()} replay {name} --since 7d{hint(common)}"
    came = "was" if before == 1 else "were"
    return [f"{name}: {count(before, 'event')} {came} accepted before it began; to send it those of a week: {paste}"]
