"""`forgotten`: which regulations there were, and how far they are."""

from __future__ import annotations

from typing import Annotated

import typer

from router.cli.client import running_daemon
from router.cli.options import Common, asks
from router.cli.output import say, say_json, say_table
from router.explain import regulation_phrases
from router.explain.figures import short_instant

RegulationId = Annotated[str | None, typer.Argument(metavar="ID", help="One of them; all of the newest unless named.")]


@asks
def forgotten(common: Common, id: RegulationId = None) -> None:
    """List what was asked to forget or suppress, and how far it is.

    It has ids of requests and counts, and never says whom they are about.

    Examples:
        forgotten
        forgotten reg_1f0a2b3c4d5e6f70
    """
    with running_daemon(common) as admin:
        if id is not None:
            answer = admin.get("api", "regulations", id)
        else:
            answer = {**admin.get("api", "regulations"), **admin.get("api", "suppressions")}
    if common.as_json:
        say_json(answer)
    elif id is not None:
        for line in regulation_phrases.regulation(answer["data"]["regulation"]):
            say(line)
    else:
        say(f"suppressed people: {answer['suppressed']}")
        if found := answer["data"]["regulations"]:
            say_table(
                ["asked (UTC)", "id", "kind", "subject", "number", "status"],
                [
                    [
                        short_instant(one["createdAt"]),
                        one["id"],
                        one["regulationType"],
                        one["subjectType"],
                        one["subjects"],
                        one["overallStatus"],
                    ]
                    for one in found
                ],
            )
