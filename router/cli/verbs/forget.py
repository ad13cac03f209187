"""`forget`: erase what is stored of a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.lazy import lazy
from router.cli.options import Common, asks
from router.cli.verbs.erasing import Copies, Tools, Yes, erase
from router.explain.figures import count

if TYPE_CHECKING:
    from router import event
else:
    event = lazy("router.event")

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
    """Erase what is stored of a person.

    That is: events, what waits, dead letters, traits. Every anonymousId that was joined to the userId is the same person. Counts stay
    as they are. A company: see `forget-group`.

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

    def question(found: Mapping[str, Any]) -> str:
        ids = [*found["joined"][subject], *(anonymous or ())]
        same = f", with {count(len(ids), 'anonymousId')}: {', '.join(ids)}" if ids else ""
        return f"erase all that is stored of {user}{same}"

    erase(common, f"forget {user}", body, question, yes=yes, copies=copies)


def subject_of(user: str) -> tuple[str, str]:
    """Segment's subjectType and the id of what an operator typed. Raises BadParameter for a group."""
    key = event.parse_user(user)
    if key[:2] == "g:" or not key[2:]:
        words = "name a person: a userId, or anonymous:ID; a company is forgotten by `forget-group`"
        raise typer.BadParameter(words, param_hint="USER")
    return ("USER_ID" if key[:2] == "u:" else "ANONYMOUS_ID"), key[2:]
