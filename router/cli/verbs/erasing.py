"""What `forget` and `forget-group` share: ask, demand, wait for the rest, tell."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from router.cli.client import Admin, running_daemon
from router.cli.endpoint import Failed, program
from router.cli.options import Common, hint
from router.cli.output import say, say_json, warn
from router.clock import SystemClock
from router.explain import regulation_phrases

WAIT_S = 60.0
"""So long the verb waits for the rest to be erased. Nothing is sent from the first answer on."""
LOOK_S = 0.2

Tools = Annotated[bool, typer.Option("--tools", help="Ask the destinations to delete, too.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Copies = Annotated[
    bool, typer.Option("--copies", help="Delete the copies of the store from before upgrades and restores, too.")
]


def erase(
    common: Common,
    verb: str,
    body: Mapping[str, Any],
    question_of: Callable[[Mapping[str, Any]], str],
    *,
    yes: bool,
    copies: bool,
) -> None:
    """Carry out a regulation.

    Args:
        verb: with its argument, to be pasted.
        body: of POST /api/regulations.
        question_of: what is asked, from the answer to a preview.
    """
    with running_daemon(common) as admin:
        if not yes:
            _ask(question_of(admin.post("api", "regulations", body={**body, "preview": True})["data"]))
        made = admin.post("api", "regulations", body=body)["data"]["regulateId"]
        told = _wait_for(admin, made)
        removed = admin.delete("api", "copies")["removed"] if copies else []
        left = admin.get("api", "copies")["copies"]
    if common.as_json:
        say_json({"data": {"regulation": told}, "copies": left})
        return
    for line in regulation_phrases.regulation(told):
        say(line)
    for path in removed:
        say(f"removed the copy {path}")
    if left:
        warn(f"these copies of the store still have what was erased: {', '.join(left)}")
        warn(f"remove them: {program()} {verb} --yes --copies{hint(common)}")


def _ask(question: str) -> None:
    """Have it confirmed. Raises Failed where nobody can be asked, or it is not confirmed."""
    if not sys.stdin.isatty():
        raise Failed(
            "nothing was erased: standard input is no terminal, so nobody can be asked\n"
            f"with --yes this command would {question}"
        )
    try:
        is_confirmed = typer.confirm(f"{question}?", err=True)
    except typer.Abort:  # Ctrl-C, or the end of the input
        is_confirmed = False
    if not is_confirmed:
        raise Failed("nothing was erased")


def _wait_for(admin: Admin, regulation_id: str) -> Mapping[str, Any]:
    clock = SystemClock()
    until = clock.monotonic() + WAIT_S
    while True:
        told: Mapping[str, Any] = admin.get("api", "regulations", regulation_id)["data"]["regulation"]
        if told["finishedAt"] or clock.monotonic() > until:
            return told
        asyncio.run(clock.sleep(LOOK_S))
