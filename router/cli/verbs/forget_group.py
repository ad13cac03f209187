"""`forget-group`: erase what is stored of a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from router.cli.options import Common, asks
from router.cli.verbs.erasing import Copies, Tools, Yes, erase

Group = Annotated[str, typer.Argument(metavar="GROUP", help="A groupId.")]


@asks
def forget_group(common: Common, group: Group, tools: Tools = False, yes: Yes = False, copies: Copies = False) -> None:
    """Erase what is stored of a group (a company).

    That is: traits, members, its events, what waits, dead letters. Its events are those that name it: group calls, and calls with its
    groupId in `context`. Its members stay, and their other events.

    Examples:
        forget-group acme
        forget-group acme --tools --yes
    """
    body = {
        "regulationType": "DELETE_ONLY" if tools else "DELETE_INTERNAL",
        "subjectType": "GROUP_ID",
        "subjectIds": [group],
    }

    def question(found: Mapping[str, Any]) -> str:
        name = next(iter(found["names"].values()))
        called = f" ({name})" if name else ""
        return f"erase all that is stored of the group {group}{called}"

    erase(common, f"forget-group {group}", body, question, yes=yes, copies=copies)
