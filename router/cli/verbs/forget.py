"""`forget`: erase what is stored of a person."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.client import Admin, running_daemon
from router.cli.endpoint import program
from router.cli.lazy import lazy
from router.cli.options import Common, asks, hint
from router.cli.output import say, say_json, warn
from router.clock import SystemClock
from router.explain import phrases
from router.explain.figures import count

if TYPE_CHECKING:
    from router import event
else:
    event = lazy("router.event")

WAIT_S = 60.0
"""So long the verb waits for the rest to be erased. Nothing of the person is sent from the first answer on."""
LOOK_S = 0.2
KINDS = {
    (False, False): "DELETE_INTERNAL",
    (False, True): "DELETE_ONLY",
    (True, False): "SUPPRESS_WITH_DELETE_INTERNAL",
    (True, True): "SUPPRESS_WITH_DELETE",
}
"""Segment's regulationType, by --suppress and --tools."""

Person = Annotated[str, typer.Argument(metavar="USER", help="A userId; anonymous:ID for somebody without one.")]
Anonymous = Annotated[
    list[str] | None,
    typer.Option("--anonymous", metavar="ID", help="An anonymousId of the same person. May be given more than once."),
]
Suppress = Annotated[bool, typer.Option("--suppress", help="Accept no call of this person any more.")]
Tools = Annotated[bool, typer.Option("--tools", help="Ask the destinations to delete the person, too.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Copies = Annotated[bool, typer.Option("--copies", help="Delete the copies of the store from before upgrades, too.")]


@asks
def forget(
    common: Common,
    user: Person,
    anonymous: Anonymous = None,
    suppress: Suppress = False,
    tools: Tools = False,
    yes: Yes = False,
    copies: Copies = False,
) -> None:
    """Erase what is stored of a person: events, what waits, dead letters, traits.

    Every anonymousId that was joined to the userId is the same person. Counts stay as they are.

    Examples:
        forget u1
        forget u1 --suppress --tools --yes
        forget anonymous:5f3c
    """
    kind, subject = subject_of(user)
    body: dict[str, Any] = {
        "regulationType": KINDS[suppress, tools],
        "subjectType": kind,
        "subjectIds": [subject],
        **({"anonymousIds": anonymous} if anonymous else {}),
    }
    with running_daemon(common) as admin:
        joined = admin.post("api", "regulations", body={**body, "preview": True})["data"]["joined"][subject]
        if not yes:
            _ask(user, [*joined, *(anonymous or ())])
        made = admin.post("api", "regulations", body=body)["data"]["regulateId"]
        told = _wait_for(admin, made)
        removed = admin.delete("api", "copies")["removed"] if copies else []
        left = admin.get("api", "copies")["copies"]
    if common.as_json:
        say_json({"regulation": told, "copies": left})
        return
    for line in phrases.regulation(told):
        say(line)
    for path in removed:
        say(f"removed the copy {path}")
    if left:
        warn(f"these copies of the store still have what was erased: {', '.join(left)}")
        warn(f"remove them: {program()} forget {user} --yes --copies{hint(common)}")


def subject_of(user: str) -> tuple[str, str]:
    """Segment's subjectType and the id of what an operator typed. Raises BadParameter for a group."""
    key = event.parse_user(user)
    if key[:2] == "g:" or not key[2:]:
        raise typer.BadParameter("name a person: a userId, or anonymous:ID", param_hint="USER")
    return ("USER_ID" if key[:2] == "u:" else "ANONYMOUS_ID"), key[2:]


def _ask(user: str, anonymous: list[str]) -> None:
    """Have it confirmed. Raises BadParameter where nobody can be asked."""
    same = f", with {count(len(anonymous), 'anonymousId')}: {', '.join(anonymous)}" if anonymous else ""
    question = f"erase all that is stored of {user}{same}"
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"would {question}: confirm it with --yes", param_hint="--yes")
    typer.confirm(f"{question}?", abort=True, err=True)


def _wait_for(admin: Admin, regulation_id: str) -> Mapping[str, Any]:
    clock = SystemClock()
    until = clock.monotonic() + WAIT_S
    while True:
        told: Mapping[str, Any] = admin.get("api", "regulations", regulation_id)["data"]["regulation"]
        if told["finishedAt"] or clock.monotonic() > until:
            return told
        asyncio.run(clock.sleep(LOOK_S))
