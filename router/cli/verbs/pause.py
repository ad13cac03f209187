"""`pause`: send nothing to a destination until it is resumed."""

from __future__ import annotations

from typing import Annotated

import typer

from router.cli.client import running_daemon
from router.cli.options import Common, DestinationName, asks
from router.cli.output import say, say_json

Why = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why, for whoever finds it paused: a line of text.")
]


@asks
def pause(common: Common, destination: DestinationName, reason: Why = None) -> None:
    """Send nothing to a destination until it is resumed.

    Its events wait, and nothing is lost.

    Examples:
        pause braze
        pause braze --reason "moving to the EU cluster"
    """
    with running_daemon(common) as admin:
        body = {} if reason is None else {"reason": reason}
        answer = admin.post("api", "destinations", destination, "pause", body=body)
    if common.as_json:
        say_json(answer)
    else:
        say(f"{destination} is {answer['state']}")
