"""`resume`: let a paused destination run again."""

from __future__ import annotations

from router.cli.client import running_daemon
from router.cli.options import Common, DestinationName, asks
from router.cli.output import say, say_json


@asks
def resume(common: Common, destination: DestinationName) -> None:
    """Let a paused destination run again, whatever it was paused for.

    Examples:
        resume braze
    """
    with running_daemon(common) as admin:
        answer = admin.post("api", "destinations", destination, "resume")
    if common.as_json:
        say_json(answer)
    else:
        say(f"{destination} is {answer['state']}")
