"""`pause`: send nothing to a destination until it is resumed."""

from __future__ import annotations

from router.cli.client import running_daemon
from router.cli.options import Common, DestinationName, asks
from router.cli.output import say, say_json


@asks
def pause(common: Common, destination: DestinationName) -> None:
    """Send nothing to a destination until it is resumed. Its events wait.

    Examples:
        pause braze
    """
    with running_daemon(common) as admin:
        answer = admin.post("api", "destinations", destination, "pause")
    if common.as_json:
        say_json(answer)
    else:
        say(f"{destination} is {answer['state']}")
